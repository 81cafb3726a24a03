-- What every rule in force would do now. Nothing is written.
#variable_conflict use_column
DECLARE
  preview text;
BEGIN
  FOR preview IN
    SELECT format('%I.%I', n.nspname, p.proname) FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE n.nspname = @SCHEMA_NAME@ AND p.prokind = 'f' AND p.pronargs = 0 AND starts_with(p.proname, 'preview:')
    ORDER BY p.proname
  LOOP
    RETURN QUERY EXECUTE format('SELECT * FROM %s()', preview);
  END LOOP;
END
