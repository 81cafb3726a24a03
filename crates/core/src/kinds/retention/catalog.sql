-- What a retention rule has to know of its table, of its children and of its archive: one JSON object for each of the
-- tables that @ASKED@ names as rows of (schema, name).
SELECT jsonb_build_object(
  'name', jsonb_build_object('schema', n.nspname, 'name', c.relname),
  'oid', c.oid::int8,
  'kind', c.relkind,
  'bytes', pg_total_relation_size(c.oid) + coalesce((
    SELECT sum(pg_total_relation_size(t.relid)) FROM pg_partition_tree(c.oid) t WHERE t.relid <> c.oid), 0),
  'rows', CASE WHEN c.reltuples >= 0 THEN c.reltuples::int8 END,
  'columns', (
    SELECT coalesce(jsonb_agg(jsonb_build_object(
      'name', a.attname,
      'type', format_type(a.atttypid, a.atttypmod),
      'not_null', a.attnotnull,
      'generated', a.attgenerated <> '') ORDER BY a.attnum), '[]')
    FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
  -- The columns that lead a usable index over all rows.
  'leading', (
    SELECT coalesce(jsonb_agg(DISTINCT a.attname), '[]')
    FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_am m ON m.oid = x.relam AND m.amname = 'btree'
    JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
    WHERE i.indrelid = c.oid AND i.indisvalid AND i.indpred IS NULL),
  -- Foreign keys that point here. Those of partitions belong to the one of their parent.
  'references', (
    SELECT coalesce(jsonb_agg(jsonb_build_object(
      'constraint', k.conname,
      'table', jsonb_build_object('schema', kn.nspname, 'name', kc.relname),
      'columns', (SELECT jsonb_agg(a.attname ORDER BY u.position) FROM unnest(k.conkey) WITH ORDINALITY u(number, position)
        JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.number),
      'on_delete', k.confdeltype,
      'indexed', EXISTS (
        SELECT FROM pg_index i WHERE i.indrelid = k.conrelid AND i.indisvalid AND i.indpred IS NULL
        AND (SELECT array_agg(u ORDER BY u) FROM unnest((i.indkey::int2[])[0:cardinality(k.conkey) - 1]) u)
          = (SELECT array_agg(u ORDER BY u) FROM unnest(k.conkey) u))) ORDER BY kn.nspname, kc.relname, k.conname), '[]')
    FROM pg_constraint k JOIN pg_class kc ON kc.oid = k.conrelid JOIN pg_namespace kn ON kn.oid = kc.relnamespace
    WHERE k.contype = 'f' AND k.confrelid = c.oid AND k.conparentid = 0),
  'row_security', row_security_active(c.oid),
  'may_delete', has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'DELETE'),
  'publications', (
    SELECT coalesce(jsonb_agg(p.pubname ORDER BY p.pubname), '[]') FROM pg_publication p
    WHERE p.pubdelete AND EXISTS (SELECT FROM pg_get_publication_tables(p.pubname::text) t WHERE t.relid = c.oid))
)::text
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE (n.nspname, c.relname) IN (@ASKED@) AND c.relkind IN ('r', 'p', 'f', 'v', 'm')
