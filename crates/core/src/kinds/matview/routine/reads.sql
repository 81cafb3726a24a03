-- The materialized views that one reads, through plain views as well; none, where it is not there.
WITH RECURSIVE reads (oid) AS (
  SELECT d.refobjid FROM pg_rewrite r
  JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid AND d.refclassid = 'pg_class'::regclass
  WHERE r.ev_class = to_regclass(target) AND d.refobjid <> r.ev_class
  UNION
  SELECT d.refobjid FROM reads w JOIN pg_class c ON c.oid = w.oid AND c.relkind = 'v'
  JOIN pg_rewrite r ON r.ev_class = c.oid
  JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid AND d.refclassid = 'pg_class'::regclass
  WHERE d.refobjid <> c.oid)
SELECT coalesce(array_agg(w.oid), '{}') FROM reads w JOIN pg_class c ON c.oid = w.oid AND c.relkind = 'm'
