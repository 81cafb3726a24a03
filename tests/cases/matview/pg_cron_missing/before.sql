CREATE TABLE sale (id serial PRIMARY KEY, sold_at timestamptz, platform varchar(20), price numeric);
INSERT INTO sale (sold_at, platform, price) SELECT '2026-01-01'::timestamptz + n * interval '1 hour', 'p' || n % 3, n FROM generate_series(1, 200) n;
