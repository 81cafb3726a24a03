-- What a retention rule has to know of its table, of its children and of its archive, with what hangs below them: one
-- JSON object for each of the tables that are asked for by rows of (schema, name).
WITH RECURSIVE asked (schema, name) AS (VALUES @ASKED@),
tree AS (
  SELECT c.oid AS root, c.oid AS oid
  FROM asked a JOIN pg_namespace n ON n.nspname = a.schema JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = a.name
  WHERE c.relkind IN ('r', 'p', 'f', 'v', 'm')
  UNION
  SELECT t.root, i.inhrelid FROM tree t JOIN pg_inherits i ON i.inhparent = t.oid AND NOT i.inhdetachpending)
SELECT jsonb_build_object(
  'name', jsonb_build_object('schema', n.nspname, 'name', c.relname),
  'oid', c.oid::int8,
  'kind', c.relkind,
  'bytes', (SELECT sum(pg_total_relation_size(t.oid)) FROM tree t WHERE t.root = c.oid),
  'rows', CASE WHEN c.reltuples >= 0 THEN c.reltuples::int8 END,
  'columns', (
    SELECT coalesce(jsonb_agg(jsonb_build_object(
      'name', a.attname,
      'type', format_type(a.atttypid, a.atttypmod),
      'base', format_type(coalesce(nullif(t.typbasetype, 0), t.oid), NULL),
      'not_null', a.attnotnull,
      'generated', a.attgenerated <> '') ORDER BY a.attnum), '[]')
    FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
    WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
  'parts', (
    SELECT jsonb_agg(jsonb_build_object(
      'name', jsonb_build_object('schema', pn.nspname, 'name', p.relname),
      'kind', p.relkind,
      'row_security', row_security_active(p.oid),
      'may_select', has_table_privilege(p.oid, 'SELECT'),
      'may_insert', has_table_privilege(p.oid, 'INSERT'),
      'may_update', has_any_column_privilege(p.oid, 'UPDATE'),
      'may_delete', has_table_privilege(p.oid, 'DELETE'),
      'may_vacuum', pg_has_role(p.relowner, 'USAGE')
        OR (SELECT pg_has_role(d.datdba, 'USAGE') FROM pg_database d WHERE d.datname = current_database())
        OR CASE WHEN current_setting('server_version_num')::int >= 170000
          THEN has_table_privilege(p.oid, 'MAINTAIN') ELSE false END,
      -- Whether it has columns that the table has not, as tables that inherit may.
      'has_more', EXISTS (
        SELECT FROM pg_attribute a WHERE a.attrelid = p.oid AND a.attnum > 0 AND NOT a.attisdropped AND NOT EXISTS (
          SELECT FROM pg_attribute o WHERE o.attrelid = c.oid AND o.attname = a.attname)),
      -- The columns that lead an index, by its name.
      'indexes', (
        SELECT coalesce(jsonb_object_agg(x.relname, a.attname), '{}')
        FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_am m ON m.oid = x.relam AND m.amname = 'btree'
        JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
        WHERE i.indrelid = p.oid AND i.indisvalid),
      -- Triggers and rules of the user's that run when rows go from it or come to it.
      'hooks', (
        SELECT coalesce(jsonb_agg(jsonb_build_object('name', h.name, 'event', h.event, 'effect', h.effect)
          ORDER BY h.name, h.event), '[]')
        FROM (
          SELECT g.tgname AS name, e.event, g.tgenabled AS enabled, CASE WHEN g.tgtype & 1 = 0 THEN 'statement'
            WHEN g.tgtype & 2 = 0 THEN 'after' ELSE 'before' END AS effect
          FROM pg_trigger g JOIN (VALUES ('delete', 8), ('insert', 4)) e (event, bit) ON g.tgtype & e.bit <> 0
          WHERE g.tgrelid = p.oid AND (NOT g.tgisinternal OR g.tgparentid <> 0)
          -- Those of foreign keys and deferred keys are the server's own. Up to PostgreSQL 14 a partition's copy is internal.
          AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.oid = g.tgconstraint AND k.contype <> 't')
          UNION ALL
          SELECT r.rulename, CASE r.ev_type WHEN '4' THEN 'delete' ELSE 'insert' END, r.ev_enabled, 'rule'
          FROM pg_rewrite r WHERE r.ev_class = p.oid AND r.ev_type IN ('3', '4')) h
        WHERE h.enabled::text IN ('A', CASE current_setting('session_replication_role')
          WHEN 'replica' THEN 'R' ELSE 'O' END))) ORDER BY pn.nspname, p.relname)
    FROM tree t JOIN pg_class p ON p.oid = t.oid JOIN pg_namespace pn ON pn.oid = p.relnamespace WHERE t.root = c.oid),
  -- The columns that lead a usable index over all rows.
  'leading', (
    SELECT coalesce(jsonb_agg(DISTINCT a.attname), '[]')
    FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_am m ON m.oid = x.relam AND m.amname = 'btree'
    JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
    WHERE i.indrelid = c.oid AND i.indisvalid AND i.indpred IS NULL),
  -- The columns of BRIN indexes over all rows. In these, the order of the columns does not matter.
  'summarised', (
    SELECT coalesce(jsonb_agg(DISTINCT a.attname), '[]')
    FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_am m ON m.oid = x.relam AND m.amname = 'brin'
    JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey::int2[])
    WHERE i.indrelid = c.oid AND i.indisvalid AND i.indpred IS NULL),
  -- Foreign keys that point here. One of a partition is that of its parent again.
  'references', (
    SELECT coalesce(jsonb_agg(jsonb_build_object(
      'constraint', k.conname,
      'table', jsonb_build_object('schema', kn.nspname, 'name', kc.relname),
      'columns', (SELECT jsonb_agg(jsonb_build_array(a.attname, f.attname) ORDER BY u.position)
        FROM unnest(k.conkey, k.confkey) WITH ORDINALITY u(own, pointed, position)
        JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.own
        JOIN pg_attribute f ON f.attrelid = k.confrelid AND f.attnum = u.pointed),
      'on_delete', k.confdeltype,
      'indexed', EXISTS (
        SELECT FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid
        JOIN pg_am m ON m.oid = x.relam AND m.amname IN ('btree', 'hash')
        WHERE i.indrelid = k.conrelid AND i.indisvalid
        -- The check of a foreign key looks for values, so it can use an index without the NULLs.
        AND (i.indpred IS NULL OR pg_get_expr(i.indpred, i.indrelid) IN (
          SELECT format('(%I IS NOT NULL)', a.attname) FROM pg_attribute a
          WHERE a.attrelid = k.conrelid AND a.attnum = ANY (k.conkey)
          UNION ALL SELECT '(' || string_agg(format('(%I IS NOT NULL)', a.attname), ' AND ' ORDER BY u.position) || ')'
          FROM unnest(k.conkey) WITH ORDINALITY u(own, position)
          JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.own))
        AND (SELECT array_agg(u ORDER BY u) FROM unnest((i.indkey::int2[])[0:cardinality(k.conkey) - 1]) u)
          = (SELECT array_agg(u ORDER BY u) FROM unnest(k.conkey) u))) ORDER BY kn.nspname, kc.relname, k.conname), '[]')
    FROM pg_constraint k JOIN pg_class kc ON kc.oid = k.conrelid JOIN pg_namespace kn ON kn.oid = kc.relnamespace
    WHERE k.contype = 'f' AND k.confrelid IN (SELECT t.oid FROM tree t WHERE t.root = c.oid)
    AND NOT EXISTS (SELECT FROM pg_constraint u JOIN tree t ON t.oid = u.confrelid
      WHERE u.oid = k.conparentid AND t.root = c.oid)),
  'publications', (
    SELECT coalesce(jsonb_agg(p.pubname ORDER BY p.pubname), '[]') FROM pg_publication p
    WHERE p.pubdelete AND EXISTS (SELECT FROM pg_get_publication_tables(p.pubname::text) t WHERE t.relid = c.oid))
)::text
FROM (SELECT DISTINCT root FROM tree) r JOIN pg_class c ON c.oid = r.root JOIN pg_namespace n ON n.oid = c.relnamespace
