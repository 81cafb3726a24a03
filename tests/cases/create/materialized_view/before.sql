CREATE TABLE t (
  id integer PRIMARY KEY, a integer, b text, c timestamptz, status varchar(20), doc jsonb, tags text[], r int4range, p point
);
CREATE MATERIALIZED VIEW "Sum Up" AS SELECT generate_series(1, 3) AS a, 2 AS n;
