CREATE TABLE t (
  id integer PRIMARY KEY, a integer, b text, c timestamptz, status varchar(20), doc jsonb, tags text[], r int4range, p point
);
CREATE INDEX i ON t (a); CREATE INDEX j ON t (lower(b)) WHERE status IN ('x','y'); COMMENT ON INDEX j IS 'theirs';
