CREATE TABLE log (id serial PRIMARY KEY, at timestamptz NOT NULL);
INSERT INTO log (at) SELECT '2001-02-03 04:05:06Z' FROM generate_series(1, 40) n;
INSERT INTO log (at) SELECT now() - interval '20 days' FROM generate_series(1, 60) n;
CREATE INDEX log_at ON log (at);
CREATE TABLE b (at date); CREATE TABLE c (at date); CREATE TABLE d (at date);
ANALYZE;
