CREATE TABLE ev (id integer, k integer) PARTITION BY RANGE (id);
CREATE TABLE ev1 PARTITION OF ev FOR VALUES FROM (0) TO (10);
CREATE TABLE ev2 PARTITION OF ev FOR VALUES FROM (10) TO (20);
-- What DETACH CONCURRENTLY leaves when it is interrupted.
UPDATE pg_inherits SET inhdetachpending = true WHERE inhrelid = 'ev2'::regclass;
