-- The triggers of the user's that run when rows go from some tables, or come to others; NULL: there are none.
SELECT string_agg(DISTINCT format('trigger %s of %s', g.tgname, g.tgrelid::regclass), ', ')
FROM pg_trigger g
WHERE (g.tgtype & 8 <> 0 AND g.tgrelid = ANY ((leaves || child_parts)::regclass[])
  OR g.tgtype & 4 <> 0 AND g.tgrelid = ANY (targets::regclass[]))
AND (NOT g.tgisinternal OR g.tgparentid <> 0)
AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.oid = g.tgconstraint AND k.contype <> 't')
AND g.tgenabled::text IN ('A', CASE current_setting('session_replication_role') WHEN 'replica' THEN 'R' ELSE 'O' END)
