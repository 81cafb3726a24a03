-- Refreshes views inside the database, each after those of them that it reads: what `reconcile refresh` does. Of each
-- it takes the name, the name for statements, and how it was to be refreshed when this was made of it; NULL: however
-- it is to be now. What fails keeps those that read it from being refreshed from what is old, and no others.
#variable_conflict use_variable
DECLARE
  run bigint;
  waiting int[] := ARRAY(SELECT generate_subscripts(views, 1));
  place int;
  old oid[] := '{}';
  ended text;
  why text;
BEGIN
  run := nextval(pg_get_serial_sequence(format('%I.refresh_run', @SCHEMA_NAME@), 'id'));
  outcome := 'done';
  failure := NULL;
  WHILE cardinality(waiting) > 0 LOOP
    -- The first that reads none of the others. Where somebody has led a plain view round in a circle, there is none.
    SELECT w.place INTO place FROM unnest(waiting) WITH ORDINALITY w(place, turn)
    WHERE NOT @SCHEMA@.refresh_reads(targets[w.place])
      && ARRAY(SELECT to_regclass(targets[o])::oid FROM unnest(waiting) o WHERE o <> w.place)
    ORDER BY w.turn LIMIT 1;
    place := coalesce(place, waiting[1]);
    waiting := array_remove(waiting, place);
    CALL @SCHEMA@.refresh_view(
      run, views[place], targets[place], settings[place], path, patience, retries, old, ended, why);
    -- The first failure is told before what was only left out.
    IF ended <> 'done' AND (outcome = 'done' OR outcome = 'skipped' AND ended <> 'skipped') THEN
      outcome := ended;
      failure := format('%s was not refreshed: %s', views[place], why);
    END IF;
  END LOOP;
END
