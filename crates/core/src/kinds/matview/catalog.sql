-- Reads the relations with the names of materialized views: one JSON object for each relation that a row of (schema,
-- name) asks for, and for each one that interrupted runs left.
WITH RECURSIVE asked (schema, name) AS (@ASKED@),
found AS (
  SELECT DISTINCT c.oid FROM asked a JOIN pg_namespace n ON n.nspname = a.schema
  JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = a.name
  UNION
  SELECT c.oid FROM pg_class c WHERE c.relname LIKE 'reconcile\_new\_%' AND c.relkind = 'm'),
-- The views and materialized views that each one reads, also through plain views.
reads (root, oid) AS (
  SELECT f.oid, d.refobjid FROM found f JOIN pg_rewrite r ON r.ev_class = f.oid
  JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid AND d.refclassid = 'pg_class'::regclass
  WHERE d.refobjid <> f.oid
  UNION
  SELECT w.root, d.refobjid FROM reads w JOIN pg_class c ON c.oid = w.oid AND c.relkind = 'v'
  JOIN pg_rewrite r ON r.ev_class = c.oid
  JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid AND d.refclassid = 'pg_class'::regclass
  WHERE d.refobjid <> c.oid),
-- The plain views that read each one.
readers (root, oid) AS (
  SELECT f.oid, r.ev_class FROM found f
  JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = f.oid AND d.classid = 'pg_rewrite'::regclass
  JOIN pg_rewrite r ON r.oid = d.objid JOIN pg_class c ON c.oid = r.ev_class AND c.relkind = 'v'
  UNION
  SELECT w.root, r.ev_class FROM readers w
  JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = w.oid AND d.classid = 'pg_rewrite'::regclass
  JOIN pg_rewrite r ON r.oid = d.objid JOIN pg_class c ON c.oid = r.ev_class AND c.relkind = 'v'
  WHERE r.ev_class <> w.oid)
SELECT jsonb_build_object(
  'name', jsonb_build_object('schema', n.nspname, 'name', c.relname),
  'oid', c.oid::int8,
  'kind', c.relkind,
  -- These two wait for any exclusive lock on the view, such as that of a refresh.
  'query', CASE WHEN c.relkind = 'm' AND @OPENED@ THEN pg_get_viewdef(c.oid) END,
  'bytes', CASE WHEN c.relkind = 'm' AND @OPENED@ THEN pg_relation_size(c.oid) END,
  'populated', c.relispopulated,
  'owner', pg_get_userbyid(c.relowner),
  'own', pg_has_role(c.relowner, 'USAGE'),
  'parameters', coalesce(to_jsonb(c.reloptions), '[]') || coalesce((
    SELECT jsonb_agg('toast.' || p) FROM pg_class o CROSS JOIN LATERAL unnest(o.reloptions) p WHERE o.oid = c.reltoastrelid),
    '[]'),
  -- What a new view gets anyway is left out.
  'access_method', (SELECT m.amname FROM pg_am m WHERE m.oid = c.relam
    AND m.amname <> current_setting('default_table_access_method')),
  -- The extensions that would drop it with them.
  'extensions', (SELECT coalesce(jsonb_agg(e.extname ORDER BY e.extname), '[]') FROM pg_depend d
    JOIN pg_extension e ON e.oid = d.refobjid WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
    AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'x'),
  'tablespace', (SELECT s.spcname FROM pg_tablespace s WHERE s.oid = c.reltablespace),
  'comment', obj_description(c.oid, 'pg_class'),
  'rows', CASE WHEN c.reltuples >= 0 THEN c.reltuples::int8 END,
  -- `acl` tells whether rights were ever changed: without that, the owner has the default rights.
  'acl', c.relacl IS NOT NULL,
  'grants', (
    SELECT coalesce(jsonb_agg(jsonb_build_object(
      'column', g.attname, 'grantee', CASE WHEN a.grantee <> 0 THEN pg_get_userbyid(a.grantee) END,
      'privilege', a.privilege_type, 'grantable', a.is_grantable, 'grantor', pg_get_userbyid(a.grantor))
      ORDER BY g.attname NULLS FIRST, a.grantee, a.privilege_type, a.grantor), '[]')
    FROM (
      SELECT NULL::name AS attname, c.relacl AS acl
      UNION ALL
      SELECT t.attname, t.attacl FROM pg_attribute t WHERE t.attrelid = c.oid AND t.attacl IS NOT NULL) g
    CROSS JOIN LATERAL aclexplode(g.acl) a),
  -- To whom default privileges would grant something on a new view, if this role creates it.
  'granted_by_default', (
    SELECT coalesce(jsonb_agg(DISTINCT CASE WHEN a.grantee <> 0 THEN pg_get_userbyid(a.grantee) END), '[]')
    FROM pg_default_acl f CROSS JOIN LATERAL aclexplode(f.defaclacl) a
    WHERE f.defaclobjtype = 'r' AND f.defaclnamespace IN (0, n.oid)),
  'columns', (
    SELECT coalesce(jsonb_agg(jsonb_build_object(
      'name', t.attname,
      'storage', CASE WHEN t.attstorage <> y.typstorage THEN
        CASE t.attstorage WHEN 'p' THEN 'PLAIN' WHEN 'e' THEN 'EXTERNAL' WHEN 'x' THEN 'EXTENDED' ELSE 'MAIN' END END,
      'compression', CASE t.attcompression WHEN 'p' THEN 'pglz' WHEN 'l' THEN 'lz4' END,
      -- Forks of PostgreSQL keep marks of their own here, which nobody may set.
      'options', (SELECT coalesce(jsonb_agg(o), '[]') FROM unnest(t.attoptions) o WHERE o ~ '^n_distinct(_inherited)?='),
      'comment', col_description(c.oid, t.attnum),
      'statistics', CASE WHEN t.attstattarget >= 0 THEN t.attstattarget END) ORDER BY t.attnum), '[]')
    FROM pg_attribute t JOIN pg_type y ON y.oid = t.atttypid
    WHERE t.attrelid = c.oid AND t.attnum > 0 AND NOT t.attisdropped),
  -- Whether a concurrent refresh can find each row.
  'tells_rows_apart', EXISTS (
    SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisunique AND i.indimmediate AND i.indisvalid
    AND i.indpred IS NULL AND i.indexprs IS NULL),
  'reads', (
    SELECT coalesce(jsonb_agg(DISTINCT jsonb_build_object('schema', rn.nspname, 'name', rc.relname)), '[]')
    FROM reads w JOIN pg_class rc ON rc.oid = w.oid AND rc.relkind = 'm' JOIN pg_namespace rn ON rn.oid = rc.relnamespace
    WHERE w.root = c.oid),
  'read_by', (
    SELECT coalesce(jsonb_agg(DISTINCT jsonb_build_object('schema', rn.nspname, 'name', rc.relname)), '[]')
    FROM readers w JOIN pg_class rc ON rc.oid = w.oid JOIN pg_namespace rn ON rn.oid = rc.relnamespace
    WHERE w.root = c.oid),
  -- What would be dropped with it: views, functions that return its rows, and everything else that depends on it or on
  -- its type.
  'dependents', (
    SELECT coalesce(jsonb_agg(DISTINCT coalesce(
      (SELECT pg_describe_object('pg_class'::regclass, r.ev_class, 0) FROM pg_rewrite r
        WHERE d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid),
      pg_describe_object(d.classid, d.objid, 0))), '[]')
    FROM pg_depend d
    WHERE d.deptype = 'n'
      AND (d.refclassid = 'pg_class'::regclass AND d.refobjid = c.oid
        OR d.refclassid = 'pg_type'::regclass AND d.refobjid IN (
          SELECT y.oid FROM pg_type y WHERE y.oid = c.reltype OR y.typelem = c.reltype AND y.typtype = 'b'))
      AND NOT EXISTS (SELECT FROM pg_rewrite r WHERE d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid
        AND r.ev_class = c.oid)),
  'statistics', (
    SELECT coalesce(jsonb_agg(jsonb_build_object(
      'name', jsonb_build_object('schema', sn.nspname, 'name', s.stxname), 'owner', pg_get_userbyid(s.stxowner),
      'kinds', (SELECT coalesce(jsonb_agg(CASE k WHEN 'd' THEN 'ndistinct' WHEN 'f' THEN 'dependencies' ELSE 'mcv' END), '[]')
        FROM unnest(s.stxkind) k WHERE k <> 'e'),
      'columns', pg_get_statisticsobjdef_columns(s.oid),
      'uses', (SELECT coalesce(jsonb_agg(DISTINCT t.attname), '[]') FROM pg_depend d JOIN pg_attribute t
        ON t.attrelid = c.oid AND t.attnum = d.refobjsubid WHERE d.classid = 'pg_statistic_ext'::regclass
        AND d.objid = s.oid AND d.refclassid = 'pg_class'::regclass AND d.refobjid = c.oid AND d.refobjsubid > 0),
      'target', CASE WHEN s.stxstattarget >= 0 THEN s.stxstattarget END,
      'comment', obj_description(s.oid, 'pg_statistic_ext')) ORDER BY sn.nspname, s.stxname), '[]')
    FROM pg_statistic_ext s JOIN pg_namespace sn ON sn.oid = s.stxnamespace WHERE s.stxrelid = c.oid)
)::text
FROM found JOIN pg_class c ON c.oid = found.oid JOIN pg_namespace n ON n.oid = c.relnamespace
