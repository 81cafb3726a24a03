-- What can be declared, and what comes and goes with it, beside what indexes.sql shows. A line begins with the kind of
-- its object; a kind without objects has no lines.
SET search_path = '';
SELECT what FROM (
SELECT 1 AS section, n.nspname, c.relname,
    format('view %I.%I of %s', n.nspname, c.relname, pg_catalog.pg_get_userbyid(c.relowner))
    || E'\n ' || pg_catalog.pg_get_viewdef(c.oid) AS what
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'v'
UNION ALL
SELECT 2, n.nspname, c.relname, format('column %I.%I.%I', n.nspname, c.relname, a.attname)
    || ' with ' || pg_catalog.array_to_string(a.attoptions, ' ')
FROM pg_catalog.pg_attribute a
JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE a.attoptions IS NOT NULL AND c.relkind IN ('r', 'p', 'f', 'm')
UNION ALL
SELECT 3, n.nspname, s.stxname,
    format('statistics %I.%I of %s', n.nspname, s.stxname, pg_catalog.pg_get_userbyid(s.stxowner))
    || E'\n  ' || pg_catalog.pg_get_statisticsobjdef(s.oid)
    || CASE WHEN s.stxstattarget >= 0 THEN E'\n  target ' || s.stxstattarget ELSE '' END
    || coalesce(E'\n  comment ' || pg_catalog.obj_description(s.oid, 'pg_statistic_ext'), '')
FROM pg_catalog.pg_statistic_ext s
JOIN pg_catalog.pg_namespace n ON n.oid = s.stxnamespace
UNION ALL
SELECT 4, n.nspname, c.relname, 'trigger ' || pg_catalog.pg_get_triggerdef(t.oid)
FROM pg_catalog.pg_trigger t
JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
-- A partition's copy of a trigger is internal up to PostgreSQL 14 only.
WHERE NOT t.tgisinternal AND t.tgparentid = 0
UNION ALL
SELECT 5, n.nspname, c.relname, format('%I.%I depends on extension %I', n.nspname, c.relname, e.extname)
FROM pg_catalog.pg_depend d
JOIN pg_catalog.pg_extension e ON d.refclassid = 'pg_catalog.pg_extension'::regclass AND e.oid = d.refobjid
JOIN pg_catalog.pg_class c ON d.classid = 'pg_catalog.pg_class'::regclass AND c.oid = d.objid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE d.deptype = 'x'
UNION ALL
SELECT 6, n.nspname, c.relname, format('%I.%I', n.nspname, c.relname) || CASE WHEN m.amname <> 'heap' THEN ' using ' || m.amname ELSE '' END
    || coalesce(' with toast.' || pg_catalog.array_to_string(o.reloptions, ' toast.'), '')
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_am m ON m.oid = c.relam
LEFT JOIN pg_catalog.pg_class o ON o.oid = c.reltoastrelid
WHERE c.relkind IN ('r', 'm') AND (m.amname <> 'heap' OR o.reloptions IS NOT NULL)
) every
WHERE nspname NOT IN ('pg_catalog', 'information_schema', 'reconcile')
ORDER BY section, nspname COLLATE "C", relname COLLATE "C", what COLLATE "C";

-- Only an apply makes the registry.
SELECT pg_catalog.to_regclass('reconcile.resource') IS NOT NULL AS managed \gset
\if :managed
SELECT 'archive ' || archive.name
    || coalesce((SELECT pg_catalog.string_agg(E'\n  ' || pg_catalog.quote_ident(attname) || ' '
            || pg_catalog.format_type(atttypid, atttypmod) || CASE WHEN attnotnull THEN ' NOT NULL' ELSE '' END, '' ORDER BY attnum)
        FROM pg_catalog.pg_attribute
        WHERE attrelid = pg_catalog.to_regclass(archive.name) AND attnum > 0 AND NOT attisdropped), ' is missing')
FROM (SELECT DISTINCT pg_catalog.jsonb_path_query(declaration, 'strict $.**.archive ? (@.type() == "string")') #>> '{}' AS name
    FROM reconcile.resource WHERE address LIKE 'retention/%') archive
ORDER BY archive.name COLLATE "C";

-- An index is in the catalogs with all that was declared of it. Of the other kinds some is in the registry alone.
SELECT 'registry ' || address
    || (SELECT pg_catalog.string_agg(E'\n  ' || key || ' ' || value, '' ORDER BY key COLLATE "C")
        FROM pg_catalog.jsonb_each(declaration - 'name' - 'table'))
FROM reconcile.resource
WHERE address NOT LIKE 'index/%'
ORDER BY address COLLATE "C";
\endif

-- The routines of a rule or of a chain of views: their names have a colon, those of shared routines do not.
SELECT CASE p.prokind WHEN 'p' THEN 'procedure ' ELSE 'function ' END || p.oid::pg_catalog.regprocedure
    || E'\n  body ' || pg_catalog.md5(p.prosrc)
FROM pg_catalog.pg_proc p
JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname = 'reconcile' AND p.proname LIKE '%:%'
ORDER BY p.proname COLLATE "C";
