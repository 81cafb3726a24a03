-- Every index and materialized view outside the system's and reconcile's schemas, with all that hangs on it.
SET search_path = '';
SELECT what FROM (
SELECT n.nspname, c.relname, format('%I.%I', n.nspname, c.relname)
    || CASE WHEN i.indisvalid THEN '' ELSE ' INVALID' END
    || CASE WHEN i.indisready AND i.indislive THEN '' ELSE ' NOT READY' END
    || CASE WHEN i.indisclustered THEN ' clustered' ELSE '' END
    || CASE WHEN i.indisreplident THEN ' replica identity' ELSE '' END
    || coalesce(' of constraint ' || (SELECT conname FROM pg_catalog.pg_constraint WHERE conindid = c.oid AND contype IN ('p', 'u', 'x')), '')
    || coalesce(' of foreign key ' || (SELECT min(conname) FROM pg_catalog.pg_constraint WHERE conindid = c.oid AND contype = 'f'), '')
    || coalesce(' attached to ' || (SELECT inhparent::pg_catalog.regclass::text FROM pg_catalog.pg_inherits WHERE inhrelid = c.oid), '')
    || E'\n  ' || pg_catalog.pg_get_indexdef(c.oid)
    || coalesce(E'\n  tablespace ' || (SELECT spcname FROM pg_catalog.pg_tablespace WHERE oid = c.reltablespace), '')
    || coalesce(E'\n  statistics ' || (SELECT string_agg(attnum || ':' || attstattarget, ' ' ORDER BY attnum)
        FROM pg_catalog.pg_attribute WHERE attrelid = c.oid AND attstattarget >= 0), '')
    || coalesce(E'\n  comment ' || pg_catalog.obj_description(c.oid, 'pg_class'), '') AS what
FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname NOT IN ('pg_catalog', 'pg_toast', 'information_schema', 'reconcile')
UNION ALL
SELECT n.nspname, c.relname, format('%I.%I', n.nspname, c.relname)
    || CASE WHEN c.relispopulated THEN '' ELSE ' NOT POPULATED' END || ' of ' || pg_catalog.pg_get_userbyid(c.relowner)
    || E'\n ' || pg_catalog.pg_get_viewdef(c.oid)
    || coalesce(E'\n  with ' || pg_catalog.array_to_string(c.reloptions, ' '), '')
    || coalesce(E'\n  tablespace ' || (SELECT spcname FROM pg_catalog.pg_tablespace WHERE oid = c.reltablespace), '')
    || coalesce(E'\n  grants ' || (SELECT string_agg(g, ' ' ORDER BY g) FROM (
        SELECT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_catalog.pg_get_userbyid(a.grantee) END || ':' || a.privilege_type
            || CASE WHEN a.is_grantable THEN '*' ELSE '' END AS g
        FROM pg_catalog.aclexplode(c.relacl) a WHERE a.grantee <> c.relowner
        UNION ALL
        SELECT pg_catalog.pg_get_userbyid(a.grantee) || ':' || a.privilege_type || '(' || t.attname || ')'
        FROM pg_catalog.pg_attribute t CROSS JOIN LATERAL pg_catalog.aclexplode(t.attacl) a WHERE t.attrelid = c.oid) x), '')
    || coalesce(E'\n  statistics ' || (SELECT string_agg(attname || ':' || attstattarget, ' ' ORDER BY attnum)
        FROM pg_catalog.pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND attstattarget >= 0), '')
    || coalesce(E'\n  comments ' || (SELECT string_agg(objsubid || ':' || description, ' ' ORDER BY objsubid)
        FROM pg_catalog.pg_description WHERE objoid = c.oid AND classoid = 'pg_catalog.pg_class'::pg_catalog.regclass), '')
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'm' AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'reconcile')
) every
ORDER BY nspname COLLATE "C", relname COLLATE "C";
