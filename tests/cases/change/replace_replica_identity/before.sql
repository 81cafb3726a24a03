CREATE TABLE t (
  id integer PRIMARY KEY, a integer NOT NULL, b text, c timestamptz, status varchar(20), doc jsonb, tags text[], r int4range, p point
);
CREATE UNIQUE INDEX u ON t (a); ALTER TABLE t REPLICA IDENTITY USING INDEX u;
