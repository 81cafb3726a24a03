-- The table that schema/forms.yaml indexes.
CREATE SCHEMA IF NOT EXISTS forms;
CREATE TABLE forms.article (
    id bigint PRIMARY KEY,
    sku varchar(100) NOT NULL,
    title text NOT NULL,
    status varchar(20) NOT NULL,
    price numeric(10, 2),
    tags text[] NOT NULL DEFAULT '{}',
    attributes jsonb NOT NULL DEFAULT '{}',
    on_sale daterange,
    created_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz
);
