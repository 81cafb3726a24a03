CREATE TABLE t (a integer, b integer);
CREATE INDEX t_a ON t (a);
CREATE INDEX theirs ON t (b);
CREATE INDEX t_b_ccnew ON t (b);
CREATE TABLE p (a integer) PARTITION BY RANGE (a);
CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10);
CREATE INDEX p1_left ON p1 ((a + 1));
CREATE INDEX ON ONLY p ((a + 2));
UPDATE pg_index SET indisvalid = false WHERE indexrelid IN ('t_b_ccnew'::regclass, 'p1_left'::regclass);
