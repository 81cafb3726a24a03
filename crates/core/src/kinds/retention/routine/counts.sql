-- What a rule would do now, by counts that its own function brings: rows of a table's name, what happens to it, and a
-- query that takes the cut-off as $4.
#variable_conflict use_variable
DECLARE
  began timestamptz;
  cut_off text;
  one text[];
BEGIN
  IF NOT EXISTS (SELECT FROM @SCHEMA@.resource r WHERE r.address = rule_address AND r.definition = rule_definition) THEN
    RETURN;
  END IF;
  PERFORM set_config('search_path', path, true);
  EXECUTE cut_off_query INTO cut_off;
  FOREACH one SLICE 1 IN ARRAY counts LOOP
    began := clock_timestamp();
    EXECUTE one[3] INTO rows_affected USING NULL::text, NULL::text, NULL::int, cut_off;
    table_name := one[1];
    action := one[2];
    execution_time_ms := round(1000 * extract(epoch FROM clock_timestamp() - began), 2);
    RETURN NEXT;
  END LOOP;
END
