-- Big enough that a build takes a while, small enough to be copied for each round.
CREATE TABLE stock (
  id integer PRIMARY KEY, code text NOT NULL, status text, price numeric, sold_at timestamptz, shelf integer, note text
);
INSERT INTO stock
  SELECT n, md5(n::text), (ARRAY['active', 'sold', 'lost'])[n % 3 + 1], n % 977, '2024-01-01'::timestamptz + n * interval '1 min',
    n * 7919 % 60013, md5((n % 1000)::text)
  FROM generate_series(1, 60000) n;

CREATE TABLE event (id integer NOT NULL, at date NOT NULL, kind text, weight integer) PARTITION BY RANGE (at);
CREATE TABLE event_2023 PARTITION OF event FOR VALUES FROM ('2023-01-01') TO ('2024-01-01');
CREATE TABLE event_2024 PARTITION OF event FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE event_rest PARTITION OF event DEFAULT;
INSERT INTO event
  SELECT n, '2023-01-01'::date + n % 1000, md5((n % 50)::text), n * 7919 % 20011
  FROM generate_series(1, 30000) n;
ANALYZE;
