CREATE TABLE ev (id integer NOT NULL, k integer, v integer) PARTITION BY RANGE (id);
CREATE TABLE ev1 PARTITION OF ev FOR VALUES FROM (0) TO (10);
CREATE TABLE ev2 PARTITION OF ev FOR VALUES FROM (10) TO (20);
CREATE INDEX k_ev1 ON ev1 (k); CREATE INDEX v_ev2 ON ev2 (k);
UPDATE pg_index SET indisvalid = false WHERE indexrelid IN ('k_ev1'::regclass, 'v_ev2'::regclass);
