-- The tables of the sample database, a sneaker reseller's. Statements are separated by empty lines; none holds one.

CREATE SCHEMA catalog;

CREATE SCHEMA inventory;

CREATE SCHEMA platform;

CREATE SCHEMA sales;

CREATE SCHEMA integration;

CREATE SCHEMA pricing;

CREATE SCHEMA logging;

-- Empty: for the views that are declared.
CREATE SCHEMA analytics;

CREATE TABLE catalog.brand (
    id uuid PRIMARY KEY,
    name varchar(100) NOT NULL,
    slug varchar(100) NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);

CREATE TABLE catalog.category (
    id uuid PRIMARY KEY,
    name varchar(100) NOT NULL,
    slug varchar(100) NOT NULL,
    parent_id uuid,
    path varchar(500),
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);

CREATE TABLE catalog.product (
    id uuid PRIMARY KEY,
    sku varchar(100) NOT NULL UNIQUE,
    ean varchar(13),
    brand_id uuid,
    category_id uuid NOT NULL,
    name varchar(255) NOT NULL,
    description text,
    retail_price numeric(10,2),
    release_date timestamptz,
    enrichment_data jsonb,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);

CREATE TABLE inventory.stock (
    id uuid PRIMARY KEY,
    product_id uuid NOT NULL,
    size_id uuid NOT NULL,
    quantity integer NOT NULL,
    purchase_price numeric(10,2),
    purchase_date timestamptz,
    status varchar(50) NOT NULL,
    external_ids jsonb,
    listed_on_platforms jsonb,
    reserved_quantity integer NOT NULL,
    location varchar(50),
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);

CREATE TABLE platform.marketplace (
    id uuid PRIMARY KEY,
    name varchar(100) NOT NULL,
    slug varchar(100) NOT NULL,
    fee_percentage numeric(5,2),
    active boolean,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);

CREATE TABLE sales."order" (
    id uuid PRIMARY KEY,
    inventory_item_id uuid NOT NULL,
    platform_id uuid NOT NULL,
    external_id varchar(200),
    status varchar(50) NOT NULL,
    amount numeric(10,2),
    platform_fee numeric(10,2),
    shipping_cost numeric(10,2),
    sold_at timestamptz,
    gross_sale numeric(10,2),
    net_profit numeric(10,2),
    roi numeric(5,2),
    platform_specific_data jsonb,
    raw_data jsonb,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);

CREATE TABLE integration.import_batches (
    id uuid PRIMARY KEY,
    source_type varchar(50) NOT NULL,
    status varchar(50),
    total_records integer,
    started_at timestamptz,
    completed_at timestamptz,
    last_error varchar(1000),
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);

CREATE TABLE integration.import_records (
    id uuid PRIMARY KEY,
    batch_id uuid NOT NULL,
    source_data jsonb NOT NULL,
    processed_data jsonb,
    status varchar(50),
    error_message text,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);

CREATE TABLE integration.source_prices (
    id uuid PRIMARY KEY,
    product_id uuid NOT NULL,
    source varchar(100) NOT NULL,
    supplier_name varchar(100) NOT NULL,
    buy_price numeric(10,2) NOT NULL,
    currency varchar(3) NOT NULL,
    availability varchar(50),
    stock_qty integer,
    last_updated timestamptz NOT NULL,
    raw_data jsonb,
    created_at timestamptz NOT NULL
);

CREATE TABLE pricing.price_history (
    id uuid PRIMARY KEY,
    product_id uuid NOT NULL,
    inventory_item_id uuid,
    platform_id uuid,
    price_date date NOT NULL,
    price_type varchar(30) NOT NULL,
    price_amount numeric(10,2) NOT NULL,
    currency varchar(3) NOT NULL,
    source varchar(50) NOT NULL,
    additional_data json,
    created_at timestamptz NOT NULL
);

CREATE TABLE logging.system_logs (
    id uuid PRIMARY KEY,
    level varchar(20) NOT NULL,
    component varchar(50) NOT NULL,
    message text NOT NULL,
    details jsonb,
    created_at timestamptz NOT NULL
);

CREATE TABLE logging.event_store (
    id uuid PRIMARY KEY,
    event_id uuid NOT NULL UNIQUE,
    event_type varchar(100) NOT NULL,
    aggregate_id uuid NOT NULL,
    event_data jsonb NOT NULL,
    correlation_id uuid,
    "timestamp" timestamptz NOT NULL,
    version integer,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
