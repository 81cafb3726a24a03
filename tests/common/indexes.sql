-- Every index outside the system's and reconcile's schemas, with all that hangs on it.
SET search_path = '';
SELECT format('%I.%I', n.nspname, c.relname)
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
    || coalesce(E'\n  comment ' || pg_catalog.obj_description(c.oid, 'pg_class'), '')
FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname NOT IN ('pg_catalog', 'pg_toast', 'information_schema', 'reconcile')
ORDER BY n.nspname COLLATE "C", c.relname COLLATE "C";
