-- What an interrupted replacement of `daily` and of `sums`, which nobody declares, left in two schemas; and one that reads
-- the view that stands.
CREATE SCHEMA elsewhere;
CREATE MATERIALIZED VIEW reconcile_new_dbf7d81742d0f0ec AS SELECT 1 AS total;
CREATE MATERIALIZED VIEW elsewhere.reconcile_new_40eec8a5abbd86df AS SELECT sum(total) FROM reconcile_new_dbf7d81742d0f0ec;
CREATE MATERIALIZED VIEW elsewhere.reconcile_new_0123456789abcdef AS SELECT total FROM daily;
CREATE MATERIALIZED VIEW elsewhere.sums AS SELECT sum(total) FROM daily;
