CREATE TABLE t (
  id integer PRIMARY KEY, a integer, b text, c timestamptz, status varchar(20), doc jsonb, tags text[], r int4range, p point
);
CREATE MATERIALIZED VIEW "Sum Up" AS SELECT a, count(*) AS n FROM t GROUP BY a;
