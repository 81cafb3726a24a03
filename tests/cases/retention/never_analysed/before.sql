CREATE TABLE log (id serial PRIMARY KEY, at timestamptz, level text) WITH (autovacuum_enabled = off);
CREATE INDEX log_at ON log (at);
INSERT INTO log (at, level) SELECT '2001-02-03 04:05:06Z', CASE WHEN n <= 60 THEN 'info' ELSE 'error' END FROM generate_series(1, 100) n;
-- Of this one a new partition has no statistics, which is a small part of it.
CREATE TABLE part (at timestamptz, body text) PARTITION BY RANGE (at);
CREATE TABLE part_old PARTITION OF part FOR VALUES FROM ('2000-01-01') TO ('2010-01-01');
CREATE TABLE part_new PARTITION OF part FOR VALUES FROM ('2010-01-01') TO ('2100-01-01');
CREATE INDEX ON part (at);
INSERT INTO part SELECT '2001-01-01', repeat('x', 1000) FROM generate_series(1, 500);
ANALYZE part;
INSERT INTO part VALUES (now(), '');
-- Each row of this one takes 50 ms to judge.
CREATE TABLE slow (at timestamptz, body text) WITH (autovacuum_enabled = off);
CREATE INDEX ON slow (at);
INSERT INTO slow SELECT '2001-01-01', 'x' FROM generate_series(1, 100);
CREATE FUNCTION judge(text) RETURNS bool LANGUAGE plpgsql STABLE AS 'BEGIN PERFORM pg_sleep(0.05); RETURN true; END';
CREATE TABLE empty (at timestamptz);
CREATE INDEX ON empty (at);
