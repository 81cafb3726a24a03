-- One view in a run: refreshes it and records it. Of those in `old` it reads none: they were not brought up to date.
#variable_conflict use_variable
DECLARE
  began constant timestamptz := clock_timestamp();
  view constant oid := to_regclass(target);
  key constant int := view::int8::bit(32)::int;
  applied jsonb;
  kind "char";
  populated bool;
  locked bool := false;
  other text;
  action text := 'REFRESH';
  line bigint;
  attempt int := 0;
  code text;
  rows bigint := 0;
BEGIN
  outcome := 'skipped';
  failure := NULL;
  SELECT r.declaration INTO applied FROM @SCHEMA@.resource r WHERE r.address = 'matview/' || name;
  SELECT c.relkind INTO kind FROM pg_class c WHERE c.oid = view;
  SELECT format('%s.%s', n.nspname, c.relname) INTO other FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.oid = ANY (@SCHEMA@.refresh_reads(target)) AND c.oid = ANY (old) LIMIT 1;
  IF applied IS NULL OR settings IS NOT NULL AND settings IS DISTINCT FROM applied->'refresh' THEN
    failure := 'it is no longer applied as it was when this was made of it; reconcile plan shows what to do';
  ELSIF kind IS DISTINCT FROM 'm' THEN
    outcome := 'failed';
    failure := 'there is no such materialized view any more';
  ELSIF other IS NOT NULL THEN
    old := old || view;
    failure := format('not begun: %s, which it reads, was not refreshed', other);
  ELSE
    locked := pg_try_advisory_lock(@LOCK@, key);
    -- Whoever refreshes or changes it without that lock.
    SELECT format('process %s', l.pid) INTO other FROM pg_locks l
    WHERE l.locktype = 'relation' AND l.granted AND l.mode IN ('ExclusiveLock', 'AccessExclusiveLock')
      AND l.pid <> pg_backend_pid() AND l.relation = view
      AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
    LIMIT 1;
    IF NOT locked OR other IS NOT NULL THEN
      old := old || view;
      failure := format('it is being refreshed or changed already, by %s', coalesce(other, 'another run'));
    END IF;
    SELECT c.relispopulated INTO populated FROM pg_class c WHERE c.oid = view;
    -- The first filling has nothing that others could read meanwhile.
    IF populated AND (applied#>>'{refresh,concurrently}')::bool THEN
      action := 'REFRESH CONCURRENTLY';
    END IF;
  END IF;
  IF failure IS NOT NULL THEN
    INSERT INTO @SCHEMA@.refresh_run (run, view_name, action, outcome, message)
    VALUES (run, name, action, outcome, failure);
    COMMIT;
    IF locked THEN
      PERFORM pg_advisory_unlock(@LOCK@, key);
    END IF;
    RETURN;
  END IF;
  UPDATE @SCHEMA@.refresh_run r SET outcome = 'stopped', message = 'its end was not seen'
  WHERE r.view_name = name AND r.outcome = 'running';
  INSERT INTO @SCHEMA@.refresh_run (run, view_name, action, outcome) VALUES (run, name, action, 'running')
  RETURNING id INTO line;
  COMMIT;

  LOOP
    PERFORM set_config('search_path', path, true), set_config('lock_timeout', patience, true),
      set_config('statement_timeout', '0', true), set_config('TimeZone', 'UTC', true),
      set_config('DateStyle', 'ISO, YMD', true), set_config('IntervalStyle', 'postgres', true);
    failure := NULL;
    BEGIN
      EXECUTE replace(action, 'REFRESH', 'REFRESH MATERIALIZED VIEW') || ' ' || target;
      EXECUTE format('SELECT count(*) FROM %s', target) INTO rows;
      outcome := 'done';
    EXCEPTION WHEN OTHERS THEN
      failure := SQLERRM;
      code := SQLSTATE;
      -- Somebody was in the way: a lock that was not to be had, or transactions that exclude each other.
      outcome := CASE WHEN code IN ('55P03', '40P01', '40001') THEN 'stopped' ELSE 'failed' END;
    END;
    EXIT WHEN outcome <> 'stopped' OR attempt >= retries;
    COMMIT;
    attempt := attempt + 1;
    PERFORM pg_sleep(least(5, 0.1 * 2 ^ attempt) * (0.5 + random() / 2));
  END LOOP;
  -- It commits together with what it tells of.
  UPDATE @SCHEMA@.refresh_run r SET outcome = outcome, message = failure, rows_affected = rows,
    execution_time_ms = greatest(1, round(1000 * extract(epoch FROM clock_timestamp() - began)))
  WHERE r.id = line;
  COMMIT;
  PERFORM pg_advisory_unlock(@LOCK@, key);
  IF outcome <> 'done' THEN
    old := old || view;
  END IF;
END
