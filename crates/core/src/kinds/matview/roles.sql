-- All roles, and to whom the default privileges of this role grant something on what it creates, in one schema or in
-- all.
SELECT jsonb_build_object(
  'names', (SELECT coalesce(jsonb_agg(r.rolname ORDER BY r.rolname), '[]') FROM pg_roles r),
  'by_default', (
    SELECT coalesce(jsonb_agg(DISTINCT jsonb_build_object(
      'schema', n.nspname, 'grantee', CASE WHEN a.grantee <> 0 THEN pg_get_userbyid(a.grantee) END)), '[]')
    FROM pg_default_acl f LEFT JOIN pg_namespace n ON n.oid = f.defaclnamespace
    CROSS JOIN LATERAL aclexplode(f.defaclacl) a
    WHERE f.defaclobjtype = 'r' AND pg_get_userbyid(f.defaclrole) = current_user AND a.grantee <> f.defaclrole)
)::text
