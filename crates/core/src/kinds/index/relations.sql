-- Reads the relations asked for, and the partitions below them.
-- Joins over the catalogs cost a fraction of one pg_get_indexdef() for each index. The relations are given as
-- rows of (schema, name); the schema pg_temp stands for this session's own one.
WITH RECURSIVE asked(schema, name) AS (@ASKED@),
wanted(oid, schema, name, kind, parent) AS (
    SELECT c.oid, n.nspname, c.relname, c.relkind,
           CASE WHEN c.relispartition THEN (SELECT h.inhparent FROM pg_inherits h WHERE h.inhrelid = c.oid AND NOT h.inhdetachpending) END
    FROM asked a
    JOIN pg_namespace n ON n.nspname = a.schema
    JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = a.name
    WHERE c.relkind IN ('r', 'p', 'm', 'f')
    UNION ALL
    SELECT c.oid, 'pg_temp', c.relname, c.relkind, NULL
    FROM asked a
    JOIN pg_class c ON c.relnamespace = pg_my_temp_schema() AND c.relname = a.name
    WHERE a.schema = 'pg_temp' AND c.relkind IN ('r', 'p')
), tree(oid, schema, name, kind, parent) AS (
    SELECT * FROM wanted
    UNION
    SELECT c.oid, n.nspname, c.relname, c.relkind, h.inhparent
    FROM tree t
    JOIN pg_inherits h ON h.inhparent = t.oid
    JOIN pg_class c ON c.oid = h.inhrelid AND c.relispartition
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE t.kind = 'p' AND NOT h.inhdetachpending
), attributes AS (
    SELECT a.attrelid,
           array_to_json(array_agg(a.attnum)) AS numbers,
           array_to_json(array_agg(a.attname)) AS names,
           array_to_json(array_agg(coalesce(domain.typbasetype, a.atttypid)::int8)) AS types,
           array_to_json(array_agg(a.attcollation::int8)) AS collations
    FROM pg_attribute a
    LEFT JOIN pg_type domain ON domain.oid = a.atttypid AND domain.typtype = 'd'
    WHERE a.attrelid IN (SELECT oid FROM tree) AND a.attnum > 0 AND NOT a.attisdropped
    GROUP BY a.attrelid
)
SELECT t.oid, t.schema::text, t.name::text, t.kind::text, t.parent,
       a.numbers, a.names, a.types, a.collations,
       c.relpages::int8 * current_setting('block_size')::int8 AS bytes,
       c.reltuples::float8 AS rows,
       (SELECT p.partattrs::text FROM pg_partitioned_table p WHERE p.partrelid = t.oid) AS partition_key,
       -- A detach that was interrupted, or is going on: nothing can be attached to an index on such a partition.
       CASE WHEN t.kind = 'p' THEN (
           SELECT json_agg(json_build_array(dn.nspname, d.relname) ORDER BY dn.nspname, d.relname)
           FROM pg_inherits h JOIN pg_class d ON d.oid = h.inhrelid JOIN pg_namespace dn ON dn.oid = d.relnamespace
           WHERE h.inhparent = t.oid AND h.inhdetachpending)
       END AS detaching,
       CASE WHEN t.kind = 'p' THEN pg_get_partkeydef(t.oid) END AS partitioned_by
FROM tree t
JOIN pg_class c ON c.oid = t.oid
LEFT JOIN attributes a ON a.attrelid = t.oid
