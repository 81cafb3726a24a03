CREATE TABLE t (
  id integer PRIMARY KEY, a integer, b text, c timestamptz, status varchar(20), doc jsonb, tags text[], r int4range, p point
);
CREATE INDEX i ON t (a) WITH (fillfactor = 50, deduplicate_items = OFF); CREATE INDEX j ON t USING gin (doc) WITH (FASTUPDATE = 'yes');
