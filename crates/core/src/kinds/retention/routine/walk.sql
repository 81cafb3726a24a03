-- A run of a rule inside the database: what `reconcile retain` does, with the statements that a rule's own procedure
-- brings. They take: $1 and $2 the ends of a range, or $1 places of rows, $3 the most rows, $4 the cut-off; %1$s the table or partition, and
-- %2$s that of a child. What the rule allows stands in the registry.
#variable_conflict use_variable
DECLARE
  began timestamptz;
  key int;
  rule jsonb;
  batch jsonb;
  run bigint;
  lines bigint[] := '{}';
  line bigint;
  outcome text := 'done';
  failure text;
  cut_off text;
  total bigint;
  past bigint;
  allowed float8;
  leaves text[];
  leaf text;
  cheaper json;
  whole json;
  ordered bool;
  blocks bigint;
  lower_end text;
  upper_end text;
  stretch_end text;
  most int;
  size int;
  statement text;
  statements text[];
  child_lines int[];
  statement_lines int[];
  child_parts text[];
  targets text[];
  watched text;
  passed bigint;
  passed_by bigint;
  all_passed_by bigint := 0;
  width bigint;
  used bigint;
  factor float8;
  seen bigint;
  last text;
  gone bigint;
  took float8;
  stayed bigint;
  marker pg_lsn;
  marked timestamptz;
  refresh_outcome text;
  refresh_failure text;
BEGIN
  key := target::regclass::oid::int8::bit(32)::int;
  run := nextval(pg_get_serial_sequence(format('%I.retention_run', @SCHEMA_NAME@), 'id'));
  SELECT r.declaration INTO rule FROM @SCHEMA@.resource r WHERE r.address = rule_address AND r.definition = rule_definition;
  IF rule IS NULL THEN
    failure := 'the rule is no longer in force as it was when this was made of it; reconcile plan shows what to do';
  ELSIF NOT pg_try_advisory_lock(@LOCK@, key) THEN
    failure := 'another run of this rule is at work';
  END IF;
  IF failure IS NOT NULL THEN
    INSERT INTO @SCHEMA@.retention_run (run, rule, table_name, action, outcome, message)
    VALUES (run, rule_name, rule_name, label, 'skipped', failure);
    RETURN;
  END IF;
  batch := rule->'batch';
  most := (batch->>'rows')::int;
  UPDATE @SCHEMA@.retention_run r SET outcome = 'stopped', message = 'its end was not seen; what it counts is done'
  WHERE r.rule = rule_name AND r.outcome = 'running';
  COMMIT;

  -- What forbids the run, before the first row goes.
  PERFORM set_config('search_path', path, true), set_config('row_security', 'off', true), set_config('TimeZone', 'UTC', true),
    set_config('DateStyle', 'ISO, YMD', true), set_config('statement_timeout', '0', true);
  BEGIN
    leaves := @SCHEMA@.retention_parts(target, 'r');
    targets := CASE WHEN archive IS NULL THEN '{}' ELSE @SCHEMA@.retention_parts(archive, 'r') END;
    SELECT coalesce(array_agg(part ORDER BY n, part), '{}'), coalesce(array_agg(n::int ORDER BY n, part), '{}'),
      (SELECT coalesce(array_agg(n), '{}') FROM generate_series(1, cardinality(children)) n)
    INTO child_parts, statement_lines, child_lines
    FROM unnest(children) WITH ORDINALITY u (child, n), unnest(@SCHEMA@.retention_parts(u.child, 'r')) part;
    watched := @SCHEMA@.retention_triggers(leaves, child_parts, targets);
    SELECT format('rule %s of %s makes something else of the statement, and rows would not go as the plan says',
      r.rulename, r.ev_class::regclass) INTO failure
    FROM pg_rewrite r WHERE r.ev_enabled IN ('A', 'O') AND (
      r.ev_type = '4' AND r.ev_class = ANY (
        SELECT unnest(@SCHEMA@.retention_parts(t, 'rp'))::regclass FROM unnest(children || target) t)
      OR r.ev_type = '3' AND r.ev_class = ANY (@SCHEMA@.retention_parts(archive, 'rp')::regclass[]))
    LIMIT 1;
    IF failure IS NULL AND watched IS NOT NULL AND NOT current_setting('track_counts')::bool THEN
      failure := format('`track_counts` is off, and %s runs: what becomes of rows cannot be proven', watched);
    END IF;
    IF failure IS NULL THEN
    SELECT format('foreign key %s of %s points at %s, and is not among the rule''s children', k.conname, k.conrelid::regclass,
      k.confrelid::regclass) INTO failure
    FROM pg_constraint k
    WHERE k.contype = 'f' AND k.confdeltype NOT IN ('n', 'd') AND k.confrelid = ANY (
      SELECT unnest(@SCHEMA@.retention_parts(t, 'rp'))::regclass FROM unnest(children || target) t)
    AND NOT EXISTS (SELECT FROM pg_constraint u WHERE u.oid = k.conparentid AND u.conrelid = k.conrelid)
    AND NOT EXISTS (
      SELECT FROM unnest(children, foreign_keys) c(name, attribute)
      JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attname = c.attribute AND a.attnum = ANY (k.conkey)
      WHERE k.conrelid = ANY (@SCHEMA@.retention_parts(c.name, 'rp')::regclass[]))
    LIMIT 1;
    END IF;
    IF failure IS NULL AND moved IS NOT NULL THEN
      SELECT format('%s has a column %s that its archive does not get; plan and apply first', target, a.attname) INTO failure
      FROM pg_attribute a
      WHERE a.attrelid = target::regclass AND a.attnum > 0 AND NOT a.attisdropped AND a.attname <> ALL (moved)
      LIMIT 1;
    END IF;
    IF failure IS NULL AND batch ? 'max_lag_ms' AND NOT pg_has_role('pg_read_all_stats', 'USAGE') THEN
      failure := 'the rule has `max_lag`, and this role does not see how far replicas are: GRANT pg_monitor to it';
    END IF;
    IF failure IS NOT NULL THEN
      outcome := 'failed';
    ELSE
      EXECUTE cut_off_query INTO cut_off;
      IF rule->'limits' IS NOT NULL THEN
        EXECUTE format(count_query, target) INTO past USING NULL::text, NULL::text, NULL::int, cut_off;
        EXECUTE format('SELECT count(*) FROM %s', target) INTO total;
        allowed := least((rule#>>'{limits,max_rows}')::float8, (rule#>>'{limits,max_fraction}')::float8 * total);
        IF past > allowed THEN
          outcome := 'skipped';
          failure := format('%s of the %s rows of %s would go; its limits allow %s', past, total, rule_name, floor(allowed));
        END IF;
      END IF;
    END IF;
  EXCEPTION WHEN OTHERS THEN
    outcome := 'failed';
    failure := SQLERRM;
  END;
  -- Rows that came since the cut-off was taken are younger than it: what goes is in these views.
  IF failure IS NULL AND cardinality(refreshed) > 0 THEN
    CALL @SCHEMA@.refresh_views(
      refreshed, refreshed_targets, NULL, path, patience, retries, refresh_outcome, refresh_failure);
    IF refresh_outcome <> 'done' THEN
      outcome := 'skipped';
      failure := 'not begun: ' || refresh_failure;
    END IF;
  END IF;
  IF failure IS NULL THEN
    FOR child IN 1 .. cardinality(children) LOOP
      INSERT INTO @SCHEMA@.retention_run (run, rule, table_name, action, outcome)
      VALUES (run, rule_name, child_names[child], child_label, 'running') RETURNING id INTO line;
      lines := lines || line;
    END LOOP;
  END IF;
  INSERT INTO @SCHEMA@.retention_run (run, rule, table_name, action, outcome, message)
  VALUES (run, rule_name, rule_name, label, CASE WHEN failure IS NULL THEN 'running' ELSE outcome END, failure)
  RETURNING id INTO line;
  lines := lines || line;
  COMMIT;

  began := clock_timestamp();
  size := least(most, 1000);
  width := 64;
  <<work>>
  BEGIN
    EXIT work WHEN failure IS NOT NULL;
    FOREACH leaf IN ARRAY leaves LOOP
      -- An index is worth it where it is much cheaper than one pass over the heap.
      PERFORM set_config('search_path', path, true), set_config('enable_bitmapscan', 'off', true);
      EXECUTE format(explain_query, leaf) INTO cheaper USING NULL::text, NULL::text, NULL::int, cut_off;
      PERFORM set_config('enable_indexscan', 'off', true), set_config('enable_indexonlyscan', 'off', true);
      EXECUTE format(explain_query, leaf) INTO whole USING NULL::text, NULL::text, NULL::int, cut_off;
      ordered := cardinality(children) = 0
        AND (cheaper#>>'{0,Plan,Total Cost}')::float8 * @ADVANTAGE@ < (whole#>>'{0,Plan,Total Cost}')::float8 * 100
        AND EXISTS (
          SELECT FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid
          JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
          WHERE i.indrelid = leaf::regclass AND x.relname = cheaper#>>'{0,Plan,Index Name}' AND a.attname = rule->>'column');
      COMMIT;
      FOR pass IN 1 .. greatest(3, retries) LOOP
        stayed := 0;
        passed_by := 0;
        lower_end := CASE WHEN ordered THEN '-infinity' ELSE '(0,0)' END;
        blocks := pg_relation_size(leaf::regclass) / current_setting('block_size')::int;
        LOOP
          IF clock_timestamp() - began > (batch->>'max_runtime_ms')::int8 * interval '1 ms' THEN
            outcome := 'stopped';
            failure := format('`max_runtime` of %s ms is over', batch->>'max_runtime_ms');
            EXIT work;
          END IF;
          PERFORM pg_sleep((batch->>'sleep_ms')::float8 / 1000);
          -- Replicas are behind by as long as one of them has not replayed what was written that long ago.
          WHILE batch ? 'max_lag_ms' LOOP
            IF marker IS NULL OR NOT EXISTS (SELECT FROM pg_stat_replication s WHERE s.replay_lsn < marker) THEN
              marker := pg_current_wal_lsn();
              marked := clock_timestamp();
            END IF;
            EXIT WHEN clock_timestamp() - marked <= (batch->>'max_lag_ms')::int8 * interval '1 ms'
              OR clock_timestamp() - began > (batch->>'max_runtime_ms')::int8 * interval '1 ms';
            COMMIT;
            PERFORM pg_sleep(0.2);
          END LOOP;

          statements := '{}';
          IF ordered THEN
            upper_end := NULL;
            statement := format(by_order, leaf);
          ELSE
            EXIT WHEN (lower_end::point)[0] >= blocks;
            stretch_end := format('(%s,0)', least((lower_end::point)[0]::int8 + width, blocks));
            upper_end := stretch_end;
            statement := format(by_heap, leaf);
            -- Of each child, and of each of its partitions.
            SELECT coalesce(array_agg(format(by_child[n], leaf, part) ORDER BY n, part), '{}') INTO statements
            FROM unnest(children, child_lines) u (child, n), unnest(@SCHEMA@.retention_parts(u.child, 'r')) part;
          END IF;
          CALL @SCHEMA@.retention_batch(path, patience, retries, lines, statement,
            format(CASE WHEN ordered THEN lock_order ELSE lock_heap END, leaf), format(at_places, leaf), statements,
            statement_lines, watched, leaves, child_parts, targets, lower_end, upper_end, most, cut_off,
            size, seen, passed, last, gone, took, outcome, failure);
          IF ordered THEN
            used := 1;
          ELSE
            IF seen >= size AND upper_end = stretch_end THEN
              upper_end := format('(%s,%s)', (last::point)[0], (last::point)[1] + 1);
            END IF;
            used := greatest(1, (upper_end::point)[0] - (lower_end::point)[0]);
          END IF;
          EXIT work WHEN failure IS NOT NULL;
          stayed := stayed + seen - gone;
          passed_by := passed_by + passed;
          EXIT WHEN ordered AND (seen < size OR gone = 0);
          lower_end := CASE WHEN ordered THEN last ELSE upper_end END;

          -- Towards the time that a batch should take; never beyond its rows.
          factor := greatest(0.25, least(2, (batch->>'target_ms')::float8 / greatest(took, 1)));
          IF seen >= size THEN
            width := greatest(1, used * 0.8 * least(most / size::float8, factor));
            size := greatest(1, least(most, size * factor));
          ELSIF seen * 4 >= size THEN
            size := greatest(1, least(most, size * factor));
            width := greatest(1, width * least(factor, 0.8 * size / seen));
          ELSE
            width := greatest(1, width * factor);
          END IF;
        END LOOP;
        EXIT WHEN stayed = 0 OR pass >= 3 AND passed_by = 0;
        IF passed_by > 0 THEN
          PERFORM pg_sleep(least(5, 0.1 * 2 ^ pass) * (0.5 + random() / 2));
        END IF;
        -- What an index cannot get past, the heap can.
        ordered := false;
      END LOOP;
      all_passed_by := all_passed_by + passed_by;
    END LOOP;
    IF all_passed_by > 0 THEN
      outcome := 'stopped';
      failure := format('%s rows were locked by somebody else, and are left for the next run', all_passed_by);
    ELSIF watched IS NULL AND @SCHEMA@.retention_triggers(leaves, child_parts, targets) IS NOT NULL THEN
      outcome := 'failed';
      failure := format('%s was made during the run: what it kept or put back is not counted; run it again',
        @SCHEMA@.retention_triggers(leaves, child_parts, targets));
    END IF;
  END;

  -- Children before their parent, as they were begun.
  UPDATE @SCHEMA@.retention_run r SET outcome = outcome, message = failure WHERE r.id = ANY (lines) AND r.outcome = 'running';
  COMMIT;
  PERFORM pg_advisory_unlock(@LOCK@, key);
  IF outcome IN ('failed', 'skipped') THEN
    RAISE EXCEPTION '%', failure;
  END IF;
END
