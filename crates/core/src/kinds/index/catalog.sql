-- Reads the indexes of the relations asked for, and of the partitions below them, in bulk: joins over the catalogs
-- cost a fraction of one pg_get_indexdef() for each index. The relations are given as rows of (schema, name); the schema
-- pg_temp stands for this session's own one.
WITH RECURSIVE asked(schema, name) AS (@ASKED@),
tree(oid, kind) AS (
    SELECT c.oid, c.relkind
    FROM asked a
    JOIN pg_namespace n ON n.nspname = a.schema
    JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = a.name
    WHERE c.relkind IN ('r', 'p', 'm')
    UNION
    SELECT c.oid, c.relkind
    FROM asked a
    JOIN pg_class c ON c.relnamespace = pg_my_temp_schema() AND c.relname = a.name
    WHERE a.schema = 'pg_temp' AND c.relkind IN ('r', 'p')
    UNION
    SELECT c.oid, c.relkind
    FROM tree t
    JOIN pg_inherits h ON h.inhparent = t.oid
    JOIN pg_class c ON c.oid = h.inhrelid AND c.relispartition
    WHERE t.kind = 'p' AND NOT h.inhdetachpending
)
SELECT i.indexrelid, i.indrelid, c.relname::text AS name, am.amname::text AS method,
       -- The index of a key WITHOUT OVERLAPS is marked unique, although its method has no unique indexes.
       i.indisunique AND NOT i.indisexclusion AS "unique",
       @NULLS_NOT_DISTINCT@ AS nulls_not_distinct, i.indisvalid AND i.indisready AND i.indislive AS valid,
       CASE WHEN NOT i.indisvalid AND c.relkind = 'i' THEN (
           -- A session that works on it: it holds the lock of REINDEX or DROP INDEX CONCURRENTLY on the index itself, or
           -- that of a concurrent build on the table, and reports progress.
           SELECT l.pid FROM pg_locks l
           WHERE l.granted AND l.mode = 'ShareUpdateExclusiveLock'
             AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
             AND (l.relation = i.indexrelid OR l.relation = i.indrelid AND EXISTS (
               SELECT FROM pg_stat_progress_create_index p
               WHERE p.pid = l.pid AND coalesce(p.index_relid = i.indexrelid, true)))
           LIMIT 1)
       END AS builder,
       i.indisreplident, i.indisclustered, i.indnkeyatts::int4 AS keys,
       i.indkey::text AS columns, i.indclass::text AS opclasses, i.indcollation::text AS collations,
       i.indoption::text AS options,
       CASE
           WHEN i.indexprs IS NULL THEN NULL
           -- A list of one expression is printed as it is, which costs a fifth of the branch below.
           WHEN cardinality(array_positions(i.indkey::int2[], 0::int2)) = 1 THEN json_build_array(pg_get_expr(i.indexprs, i.indrelid))
           ELSE array_to_json(ARRAY(
               SELECT pg_get_indexdef(i.indexrelid, k, false) FROM generate_series(1, i.indnkeyatts) k
               WHERE i.indkey[k - 1] = 0 ORDER BY k))
       END AS expressions,
       CASE WHEN i.indexprs IS NOT NULL THEN array_to_json(ARRAY(
           SELECT x.atttypid::int8 FROM pg_attribute x
           WHERE x.attrelid = i.indexrelid AND x.attnum <= i.indnkeyatts AND i.indkey[x.attnum - 1] = 0
           ORDER BY x.attnum))
       END AS expression_types,
       CASE WHEN i.indpred IS NOT NULL THEN pg_get_expr(i.indpred, i.indrelid) END AS predicate,
       array_to_json(c.reloptions) AS parameters,
       array_to_json(o.parameters) AS opclass_parameters,
       s.spcname::text AS tablespace, d.description AS comment, k.conname::text AS "constraint",
       array_to_json(f.needed_by) AS needed_by, h.inhparent AS attached_to,
       array_to_json(o.statistics) AS statistics, NOT i.indimmediate AS deferrable,
       array_to_json(e.extensions) AS extensions
FROM tree t
-- An interrupted DROP INDEX CONCURRENTLY leaves an index that is not even live. It has to be dropped again.
JOIN pg_index i ON i.indrelid = t.oid
JOIN pg_class c ON c.oid = i.indexrelid
JOIN pg_am am ON am.oid = c.relam
LEFT JOIN pg_tablespace s ON s.oid = c.reltablespace
LEFT JOIN pg_description d ON d.objoid = i.indexrelid AND d.classoid = 'pg_class'::regclass AND d.objsubid = 0
LEFT JOIN pg_constraint k ON k.conindid = i.indexrelid AND k.contype IN ('p', 'u', 'x')
LEFT JOIN pg_inherits h ON h.inhrelid = i.indexrelid
LEFT JOIN (
    SELECT conindid, array_agg(conname || ' of ' || conrelid::regclass::text ORDER BY conname) AS needed_by
    FROM pg_constraint WHERE contype = 'f' AND conparentid = 0 GROUP BY conindid
) f ON f.conindid = i.indexrelid
LEFT JOIN (
    -- Few index columns have either. The scan leaves all others out before it groups.
    SELECT x.attrelid,
           array_agg(array_to_string(x.attoptions, ', ') ORDER BY x.attnum) AS parameters,
           array_remove(array_agg(CASE WHEN x.attstattarget >= 0 THEN x.attnum || ':' || x.attstattarget END), NULL) AS statistics
    FROM pg_attribute x
    WHERE x.attrelid IN (
        SELECT y.attrelid FROM pg_attribute y
        WHERE y.attnum > 0 AND (y.attoptions IS NOT NULL OR y.attstattarget > -1))
      AND x.attnum > 0
    GROUP BY x.attrelid
) o ON o.attrelid = i.indexrelid
LEFT JOIN (
    SELECT x.objid, array_agg(e.extname ORDER BY e.extname) AS extensions
    FROM pg_extension e JOIN pg_depend x ON x.refclassid = 'pg_extension'::regclass AND x.refobjid = e.oid
    WHERE x.classid = 'pg_class'::regclass AND x.deptype = 'x'
    GROUP BY x.objid
) e ON e.objid = i.indexrelid
