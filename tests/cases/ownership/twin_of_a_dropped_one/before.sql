CREATE TABLE t (
  id integer PRIMARY KEY, a integer, b text, c timestamptz, status varchar(20), doc jsonb, tags text[], r int4range, p point
);
