-- The operator classes that indexes refer to by OID.
SELECT o.oid, n.nspname, o.opcname, am.amname, o.opcintype, o.opcdefault, o.opckeytype <> 0 AS stores_other
FROM pg_opclass o
JOIN pg_namespace n ON n.oid = o.opcnamespace
JOIN pg_am am ON am.oid = o.opcmethod
