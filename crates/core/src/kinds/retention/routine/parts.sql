-- What holds rows below a table, itself included, as names for statements; with 'rp' the partitioned ones as well.
WITH RECURSIVE tree AS (
  SELECT target::regclass::oid AS oid
  UNION SELECT i.inhrelid FROM tree t JOIN pg_inherits i ON i.inhparent = t.oid AND NOT i.inhdetachpending)
SELECT coalesce(array_agg(format('%I.%I', n.nspname, c.relname) ORDER BY n.nspname, c.relname), '{}')
FROM tree t JOIN pg_class c ON c.oid = t.oid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE position(c.relkind IN kinds) > 0
