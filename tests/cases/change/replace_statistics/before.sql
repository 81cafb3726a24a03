CREATE TABLE t (
  id integer PRIMARY KEY, a integer, b text, c timestamptz, status varchar(20), doc jsonb, tags text[], r int4range, p point
);
CREATE INDEX i ON t (a, lower(b)); ALTER INDEX i ALTER COLUMN 2 SET STATISTICS 500; COMMENT ON INDEX i IS 'theirs';
