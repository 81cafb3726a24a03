-- Reads what depends on materialized views that will be rebuilt: one JSON object for each plain view and materialized
-- view that reads one of them, and for everything else that would be dropped with it. The search continues from
-- materialized views, because they have to be rebuilt as well. It stops at plain views: they keep their identity, and
-- so the objects that depend on them.
WITH RECURSIVE anew (oid) AS (
  SELECT c.oid FROM (@ASKED@) a (schema, name) JOIN pg_namespace n ON n.nspname = a.schema
  JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = a.name AND c.relkind = 'm'
  UNION
  SELECT r.ev_class FROM anew m
  JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = m.oid AND d.classid = 'pg_rewrite'::regclass
  JOIN pg_rewrite r ON r.oid = d.objid AND r.rulename = '_RETURN' JOIN pg_class c ON c.oid = r.ev_class
  WHERE c.relkind = 'm'),
-- The dependency is on the view itself or on its row type.
uses AS (
  SELECT m.oid AS used, d.classid, d.objid, d.objsubid, d.refobjsubid AS attnum
  FROM anew m JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = m.oid WHERE d.deptype = 'n'
  UNION ALL
  SELECT m.oid, d.classid, d.objid, d.objsubid, 0
  FROM anew m JOIN pg_class c ON c.oid = m.oid
  JOIN pg_type y ON y.oid = c.reltype OR y.typelem = c.reltype AND y.typtype = 'b'
  JOIN pg_depend d ON d.refclassid = 'pg_type'::regclass AND d.refobjid = y.oid WHERE d.deptype = 'n'),
placed AS (
  SELECT u.used, u.attnum, u.classid, u.objid, u.objsubid, c.oid AS relation
  FROM uses u
  LEFT JOIN pg_rewrite r ON u.classid = 'pg_rewrite'::regclass AND r.oid = u.objid AND r.rulename = '_RETURN'
  LEFT JOIN pg_class c ON c.oid = r.ev_class AND c.relkind IN ('v', 'm') AND c.relpersistence <> 't'
  WHERE r.ev_class IS DISTINCT FROM u.used),
grouped AS (
  SELECT p.relation, CASE WHEN p.relation IS NULL THEN p.classid END AS classid,
    CASE WHEN p.relation IS NULL THEN p.objid END AS objid,
    CASE WHEN p.relation IS NULL THEN p.objsubid END AS objsubid, p.used,
    coalesce(jsonb_agg(DISTINCT t.attname) FILTER (WHERE t.attname IS NOT NULL), '[]') AS columns
  FROM placed p LEFT JOIN pg_attribute t ON t.attrelid = p.used AND t.attnum = p.attnum AND p.attnum > 0
  GROUP BY 1, 2, 3, 4, 5)
SELECT jsonb_build_object(
  'what', CASE WHEN g.relation IS NULL THEN pg_describe_object(g.classid, g.objid, g.objsubid)
    ELSE pg_describe_object('pg_class'::regclass, g.relation, 0) END,
  'uses', jsonb_agg(jsonb_build_object(
    'view', jsonb_build_object('schema', un.nspname, 'name', uc.relname), 'columns', g.columns) ORDER BY un.nspname, uc.relname),
  'relation', (
    SELECT jsonb_build_object(
      'name', jsonb_build_object('schema', n.nspname, 'name', c.relname),
      'kind', c.relkind,
      'owner', pg_get_userbyid(c.relowner),
      'own', pg_has_role(c.relowner, 'USAGE'),
      'options', coalesce(to_jsonb(c.reloptions), '[]'),
      'query', pg_get_viewdef(c.oid),
      'columns', (
        SELECT jsonb_agg(jsonb_build_object('name', t.attname, 'type', format_type(t.atttypid, t.atttypmod),
          'collation', (SELECT jsonb_build_object('schema', ln.nspname, 'name', l.collname)
            FROM pg_collation l JOIN pg_namespace ln ON ln.oid = l.collnamespace WHERE l.oid = t.attcollation))
          ORDER BY t.attnum)
        FROM pg_attribute t WHERE t.attrelid = c.oid AND t.attnum > 0 AND NOT t.attisdropped))
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = g.relation))::text
FROM grouped g JOIN pg_class uc ON uc.oid = g.used JOIN pg_namespace un ON un.oid = uc.relnamespace
GROUP BY g.relation, g.classid, g.objid, g.objsubid
ORDER BY 1
