CREATE TABLE sale (id serial PRIMARY KEY, sold_at timestamptz, platform varchar(20), price numeric);
INSERT INTO sale (sold_at, platform, price) SELECT '2026-01-01'::timestamptz + n * interval '1 hour', 'p' || n % 3, n FROM generate_series(1, 200) n;
CREATE MATERIALIZED VIEW daily AS
SELECT date_trunc('day', s.sold_at AT TIME ZONE 'UTC') AS day, s.platform, sum(s.price) AS total
FROM sale s WHERE s.platform IN ('p0', 'p1') GROUP BY 1, 2;
CREATE UNIQUE INDEX daily_key ON daily (day, platform);
