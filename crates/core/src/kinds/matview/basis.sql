-- Reads what the queries of materialized views rely on: one JSON object for each view among the rows of (schema, name,
-- words of the declared text).
WITH asked (schema, name, words) AS (@ASKED@),
found AS (
  SELECT c.oid, a.schema, a.name, a.words FROM asked a JOIN pg_namespace n ON n.nspname = a.schema
  JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = a.name AND c.relkind = 'm'),
depends (root, classid, oid) AS (
  SELECT DISTINCT f.oid, d.refclassid, d.refobjid FROM found f JOIN pg_rewrite r ON r.ev_class = f.oid
  JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid),
-- Relations, and the composite types of what functions return: `*` means their columns.
used (root, oid) AS (
  SELECT d.root, d.oid FROM depends d WHERE d.classid = 'pg_class'::regclass AND d.oid <> d.root
  UNION
  SELECT d.root, y.typrelid FROM depends d JOIN pg_proc p ON d.classid = 'pg_proc'::regclass AND p.oid = d.oid
  JOIN pg_type y ON y.oid = p.prorettype AND y.typrelid <> 0),
path AS (@PATH@)
SELECT jsonb_build_object(
  'name', jsonb_build_object('schema', f.schema, 'name', f.name),
  'basis', jsonb_build_object(
    'path', @SCHEMAS@,
    'relations', (
      SELECT coalesce(jsonb_object_agg(format('%I.%I', n.nspname, c.relname), (
        SELECT coalesce(jsonb_agg(jsonb_build_object('name', t.attname, 'type', format_type(t.atttypid, t.atttypmod)
          || coalesce((SELECT format(' COLLATE %I.%I', ln.nspname, l.collname) FROM pg_collation l
            JOIN pg_namespace ln ON ln.oid = l.collnamespace JOIN pg_type y ON y.oid = t.atttypid
            WHERE l.oid = t.attcollation AND l.oid <> y.typcollation), '')) ORDER BY t.attnum), '[]')
        FROM pg_attribute t WHERE t.attrelid = c.oid AND t.attnum > 0 AND NOT t.attisdropped)), '{}')
      FROM used u JOIN pg_class c ON c.oid = u.oid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE u.root = f.oid),
    -- What the names in the text can mean along the search path.
    'names', (
      SELECT coalesce(jsonb_agg(DISTINCT o.what), '[]') FROM (
        SELECT pg_describe_object('pg_class'::regclass, c.oid, 0) FROM pg_class c
        WHERE c.relname = ANY (f.words) AND c.relnamespace IN (SELECT oid FROM path) AND c.oid <> f.oid
          AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S', 'c')
          -- A word that named no relation when the view was made is a column, an alias, a keyword or the like.
          AND EXISTS (SELECT FROM depends d JOIN pg_class k ON d.classid = 'pg_class'::regclass AND k.oid = d.oid
            WHERE d.root = f.oid AND k.relname = c.relname)
        UNION ALL
        SELECT pg_describe_object('pg_proc'::regclass, p.oid, 0) FROM pg_proc p
        WHERE p.proname = ANY (f.words) AND p.pronamespace IN (SELECT oid FROM path)
        UNION ALL
        SELECT pg_describe_object('pg_operator'::regclass, o.oid, 0) FROM pg_operator o
        WHERE o.oprname = ANY (f.words) AND o.oprnamespace IN (SELECT oid FROM path)
        UNION ALL
        SELECT pg_describe_object('pg_type'::regclass, y.oid, 0) FROM pg_type y
        WHERE y.typname = ANY (f.words) AND y.typnamespace IN (SELECT oid FROM path) AND y.typrelid = 0
        UNION ALL
        SELECT pg_describe_object('pg_collation'::regclass, l.oid, 0) FROM pg_collation l
        WHERE l.collname = ANY (f.words) AND l.collnamespace IN (SELECT oid FROM path)) o(what)))) AS view
FROM found f
