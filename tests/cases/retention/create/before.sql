CREATE TABLE log (id serial PRIMARY KEY, created_at timestamptz NOT NULL, at_place timestamp, body text, hold boolean);
CREATE INDEX log_created ON log (created_at);
INSERT INTO log (created_at, at_place, hold) SELECT '2001-02-03 04:05:06Z', '2001-02-03 04:05:06', n % 2 = 0 FROM generate_series(1, 40) n;
INSERT INTO log (created_at, at_place) SELECT now() + interval '1 day', now() + interval '1 day' FROM generate_series(1, 60) n;
CREATE TABLE "Other Log" (LIKE log, size integer GENERATED ALWAYS AS (length(body)) STORED);
INSERT INTO "Other Log" SELECT * FROM log;
ANALYZE;
CREATE SCHEMA old;
