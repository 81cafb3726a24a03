CREATE MATERIALIZED VIEW reconcile_new_dbf7d81742d0f0ec AS SELECT 1 AS one;
CREATE INDEX reconcile_new_59a63e7af859e7b4 ON reconcile_new_dbf7d81742d0f0ec (one);
CREATE MATERIALIZED VIEW reconcile_new_of_nobody AS SELECT 1 AS one;
