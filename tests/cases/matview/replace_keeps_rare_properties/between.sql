ALTER MATERIALIZED VIEW v SET (toast.autovacuum_enabled = off, toast.autovacuum_vacuum_threshold = 10, fillfactor = 90);
ALTER MATERIALIZED VIEW v DEPENDS ON EXTENSION plpgsql;
ALTER INDEX v_a DEPENDS ON EXTENSION plpgsql;
ALTER INDEX i DEPENDS ON EXTENSION plpgsql;
ALTER MATERIALIZED VIEW v ALTER a SET (n_distinct = 5);
-- As a fork of PostgreSQL marks columns.
UPDATE pg_attribute SET attoptions = attoptions || '{pg_attver=3}' WHERE attrelid = 'v'::regclass AND attname = 'a';
UPDATE pg_attribute SET attoptions = '{pg_attver=3}' WHERE attrelid = 'v'::regclass AND attname = 'id';
ANALYZE t; ANALYZE v;
