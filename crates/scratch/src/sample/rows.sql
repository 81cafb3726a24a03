-- The sample's rows, each a function of its number n and of now(). Statements are separated by empty lines; {…} is a
-- number of rows. Numbers are mixed by primes, so that neighbours differ. Rows of one kind are spread evenly over
-- an age, the oldest first, as they would have come in. The ages go past what is kept: 30 days of logs, 60 of events,
-- 90 of imports, 12 months of prices.

INSERT INTO catalog.brand
SELECT md5('brand' || n)::uuid, 'Brand ' || n, 'brand-' || n, now() - interval '3 years', now() - interval '1 year'
FROM generate_series(1, {brands}) n;

INSERT INTO catalog.category
SELECT md5('category' || n)::uuid, 'Category ' || n, 'category-' || n,
    CASE WHEN n > 3 THEN md5('category' || n % 3 + 1)::uuid END,
    CASE WHEN n > 3 THEN 'category-' || n % 3 + 1 || '/' ELSE '' END || 'category-' || n,
    now() - interval '3 years', now() - interval '1 year'
FROM generate_series(1, {categories}) n;

INSERT INTO platform.marketplace
SELECT md5('marketplace' || n)::uuid, name, lower(name), 8 + n * 0.5, true, now() - interval '3 years', now() - interval '1 year'
FROM unnest(ARRAY['StockX', 'eBay', 'GOAT', 'Alias', 'Klekt']) WITH ORDINALITY AS known (name, n);

INSERT INTO catalog.product
SELECT md5('product' || n)::uuid,
    upper(substr(md5('sku' || n), 1, 6)) || '-' || lpad(n::text, 6, '0'),
    CASE WHEN n % 5 > 0 THEN lpad((4000000000000 + n)::text, 13, '0') END,
    CASE WHEN n % 40 > 0 THEN md5('brand' || n * 7 % {brands} + 1)::uuid END,
    md5('category' || n * 11 % {categories} + 1)::uuid,
    'Sneaker ' || n, CASE WHEN n % 3 > 0 THEN 'Colourway ' || n % 97 || ', released in limited numbers' END,
    60 + n * 37 % 240, now() - n % 1500 * interval '1 day',
    CASE WHEN n % 4 = 0 THEN jsonb_build_object('colour', n % 97, 'source', 'catalogue') END,
    made, made + interval '20 days'
FROM generate_series(1, {products}) n, LATERAL (SELECT now() - interval '900 days' * (1 - n::float8 / {products}) - interval '30 days') age (made);

-- One in fifty is active: few enough for an index on the status to be worth it.
INSERT INTO inventory.stock
SELECT md5('stock' || n)::uuid, md5('product' || n::bigint * 7919 % {products} + 1)::uuid, md5('size' || n % 28)::uuid, 1,
    40 + n * 53 % 300, made,
    CASE WHEN n % 50 = 0 THEN 'active' WHEN n % 50 < 4 THEN 'reserved' WHEN n % 50 < 12 THEN 'inactive' ELSE 'sold' END,
    CASE WHEN n % 3 = 0 THEN jsonb_build_object('listing', n) END,
    CASE WHEN n % 50 = 0 THEN '["stockx", "ebay"]'::jsonb END,
    CASE WHEN n % 50 BETWEEN 1 AND 3 THEN 1 ELSE 0 END,
    'shelf ' || n % 400, made, made + interval '2 days'
FROM generate_series(1, {stock}) n, LATERAL (SELECT now() - interval '730 days' * (1 - n::float8 / {stock}) - interval '2 days') age (made);

-- One in twelve is not sold yet: those have no sold_at.
INSERT INTO sales."order"
SELECT md5('order' || n)::uuid, md5('stock' || n::bigint * 6007 % {stock} + 1)::uuid, md5('marketplace' || n * 3 % 5 + 1)::uuid,
    'EXT-' || lpad(n::text, 9, '0'),
    CASE WHEN n % 12 > 0 THEN CASE WHEN n % 13 = 0 THEN 'returned' ELSE 'completed' END WHEN n % 24 = 0 THEN 'pending' ELSE 'cancelled' END,
    gross, gross * 0.09, 12.5, CASE WHEN n % 12 > 0 THEN made + interval '6 hours' END, gross, gross * 0.2, 5 + n % 60,
    jsonb_build_object('orderId', n, 'shippingCost', 12.5), CASE WHEN n % 6 = 0 THEN jsonb_build_object('n', n) END,
    made, made + interval '1 day'
FROM generate_series(1, {orders}) n, LATERAL (SELECT 80 + n * 41 % 400, now() - interval '730 days' * (1 - n::float8 / {orders}) - interval '1 day') facts (gross, made);

INSERT INTO integration.import_batches
SELECT md5('batch' || n)::uuid, (ARRAY['csv', 'api', 'webhook'])[n % 3 + 1],
    CASE WHEN n % 25 = 0 THEN 'failed' WHEN n > {import_batches} - 3 THEN 'pending' ELSE 'completed' END,
    {import_records} / {import_batches}, made, CASE WHEN n <= {import_batches} - 3 THEN made + interval '2 minutes' END,
    CASE WHEN n % 25 = 0 THEN 'connection reset by peer' END, made, made + interval '2 minutes'
FROM generate_series(1, {import_batches}) n, LATERAL (SELECT now() - interval '200 days' * (1 - n::float8 / {import_batches}) - interval '1 hour') age (made);

INSERT INTO integration.import_records
SELECT md5('record' || n)::uuid, batch.id, jsonb_build_object('row', n, 'sku', n * 31 % {products}),
    CASE WHEN n % 9 > 0 THEN jsonb_build_object('product', n * 31 % {products}) END,
    CASE WHEN n % 9 > 0 THEN 'processed' ELSE 'error' END, CASE WHEN n % 9 = 0 THEN 'unknown product' END,
    batch.created_at, batch.updated_at
FROM generate_series(1, {import_records}) n
JOIN integration.import_batches batch ON batch.id = md5('batch' || (n - 1)::bigint * {import_batches} / {import_records} + 1)::uuid;

INSERT INTO integration.source_prices
SELECT md5('source' || n)::uuid, md5('product' || n::bigint * 4001 % {products} + 1)::uuid, 'feed-' || n % 6, 'Supplier ' || n % 40,
    50 + n * 29 % 200, 'EUR', (ARRAY['in_stock', 'in_stock', 'in_stock', 'low', 'out_of_stock'])[n % 5 + 1], n % 30,
    made + interval '1 day', CASE WHEN n % 5 > 0 THEN jsonb_build_object('row', n, 'condition', CASE WHEN n % 7 = 0 THEN 'used' ELSE 'new' END) END, made
FROM generate_series(1, {source_prices}) n, LATERAL (SELECT now() - interval '300 days' * (1 - n::float8 / {source_prices}) - interval '2 days') age (made);

INSERT INTO pricing.price_history
SELECT md5('price' || n)::uuid, md5('product' || n::bigint * 2003 % {products} + 1)::uuid,
    CASE WHEN n % 4 = 0 THEN md5('stock' || n::bigint * 3001 % {stock} + 1)::uuid END, CASE WHEN n % 3 > 0 THEN md5('marketplace' || n % 5 + 1)::uuid END,
    made::date, (ARRAY['listing', 'sale', 'buyout'])[n % 3 + 1], 70 + n * 43 % 350, 'EUR', 'market',
    CASE WHEN n % 10 = 0 THEN json_build_object('bids', n % 17) END, made
FROM generate_series(1, {price_history}) n, LATERAL (SELECT now() - interval '700 days' * (1 - n::float8 / {price_history}) - interval '1 hour') age (made);

INSERT INTO logging.system_logs
SELECT md5('log' || n)::uuid, CASE WHEN n % 100 = 0 THEN 'ERROR' WHEN n % 100 < 8 THEN 'WARNING' ELSE 'INFO' END,
    (ARRAY['import', 'pricing', 'orders', 'api', 'auth'])[n % 5 + 1], 'request ' || n || ' finished in ' || n * 17 % 900 || ' ms',
    CASE WHEN n % 4 = 0 THEN jsonb_build_object('request', n) END,
    now() - interval '90 days' * (1 - n::float8 / {system_logs}) - interval '1 minute'
FROM generate_series(1, {system_logs}) n;

INSERT INTO logging.event_store
SELECT md5('event' || n)::uuid, md5('event id' || n)::uuid, (ARRAY['order.created', 'order.sold', 'stock.listed', 'price.changed'])[n % 4 + 1],
    md5('stock' || n::bigint * 5003 % {stock} + 1)::uuid, jsonb_build_object('n', n), CASE WHEN n % 2 = 0 THEN md5('request' || n / 2)::uuid END,
    made, 1, made, made
FROM generate_series(1, {event_store}) n, LATERAL (SELECT now() - interval '150 days' * (1 - n::float8 / {event_store}) - interval '1 minute') age (made);
