-- Every view and materialized view outside the system's schemas and the registry's, with all that hangs on it, but for
-- the definition of those named in @BUT@.
SELECT format('%I.%I', n.nspname, c.relname) || ' ' || c.relkind::text || ' of ' || pg_get_userbyid(c.relowner)
  || E'\n  ' || CASE WHEN c.relname IN (@BUT@) THEN '…' ELSE pg_get_viewdef(c.oid) END
  || E'\n  options ' || coalesce(c.reloptions::text, 'none') || ', filled ' || c.relispopulated::text
  || ', tablespace ' || coalesce((SELECT spcname FROM pg_tablespace WHERE oid = c.reltablespace), 'default')
  || E'\n  rights ' || coalesce((SELECT string_agg(a.item::text, ' ' ORDER BY a.item::text) FROM unnest(c.relacl) a(item)), 'none')
  || coalesce((
    SELECT string_agg(E'\n  column ' || t.attname || ' ' || format_type(t.atttypid, t.atttypmod)
      || coalesce(' rights ' || t.attacl::text, '') || coalesce(' comment ' || col_description(c.oid, t.attnum), '')
      || coalesce(' default ' || pg_get_expr(d.adbin, d.adrelid), '') || ' storage ' || t.attstorage::text
      || ' compression ' || t.attcompression::text
      || coalesce(' target ' || nullif(t.attstattarget, -1), '') || coalesce(' options ' || t.attoptions::text, ''), '' ORDER BY t.attnum)
    FROM pg_attribute t LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = t.attnum
    WHERE t.attrelid = c.oid AND t.attnum > 0 AND NOT t.attisdropped
      -- New columns are part of the definition.
      AND (c.relname NOT IN (@BUT@) OR t.attname NOT LIKE 'new%')), '')
  || coalesce((SELECT string_agg(E'\n  trigger ' || pg_get_triggerdef(g.oid), '' ORDER BY g.tgname) FROM pg_trigger g
    WHERE g.tgrelid = c.oid AND NOT g.tgisinternal), '')
  || coalesce((SELECT string_agg(E'\n  rule ' || pg_get_ruledef(r.oid), '' ORDER BY r.rulename) FROM pg_rewrite r
    WHERE r.ev_class = c.oid AND r.rulename <> '_RETURN'), '')
  || coalesce((SELECT string_agg(E'\n  index ' || pg_get_indexdef(i.indexrelid) || ' ' || i.indisvalid::text
      || ' clustered ' || i.indisclustered::text || coalesce(' comment ' || obj_description(i.indexrelid, 'pg_class'), ''), ''
      ORDER BY i.indexrelid::regclass::text)
    FROM pg_index i WHERE i.indrelid = c.oid), '')
  || coalesce((SELECT string_agg(E'\n  statistics ' || pg_get_statisticsobjdef(s.oid) || ' of ' || pg_get_userbyid(s.stxowner)
      || coalesce(' target ' || nullif(s.stxstattarget, -1), '') || coalesce(' comment ' || obj_description(s.oid, 'pg_statistic_ext'), ''), ''
      ORDER BY s.stxname)
    FROM pg_statistic_ext s WHERE s.stxrelid = c.oid), '')
  || coalesce(E'\n  comment ' || obj_description(c.oid, 'pg_class'), '')
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('v', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'reconcile')
ORDER BY n.nspname, c.relname
