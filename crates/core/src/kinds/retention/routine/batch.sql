-- One batch of a rule: runs it, counts it and commits both together; again, where somebody else was in the way. With
-- children, or where somebody has locked one of the rows, it locks the rows first and passes by those of others: then
-- `places` are its rows, and what points at them goes with them in the same transaction, or all of it stays. Where
-- triggers run (`watched`), the server's own counts prove what was done to the tables.
#variable_conflict use_variable
DECLARE
  attempt int := 0;
  by_places bool := cardinality(by_child) > 0;
  part bool;
  began timestamptz;
  code text;
  kept bigint;
  locked bigint;
  places text;
  one_seen bigint;
  one_gone bigint;
  last_child text;
  child_gone bigint[];
  before int8[];
  done int8[];
BEGIN
  LOOP
    -- Nobody else's changes are seen then: a row that is chosen and does not go was kept. An expression between the two
    -- would take a snapshot.
    IF by_places OR watched IS NOT NULL THEN
      COMMIT;
      SET TRANSACTION ISOLATION LEVEL REPEATABLE READ;
    ELSE
      COMMIT;
    END IF;
    PERFORM set_config('search_path', path, true), set_config('lock_timeout', patience, true),
      set_config('statement_timeout', '0', true), set_config('row_security', 'off', true), set_config('jit', 'off', true),
      set_config('TimeZone', 'UTC', true), set_config('DateStyle', 'ISO, YMD', true),
      -- A crash may take the latest batches back, each with its count. What closes the lines waits for the disk.
      set_config('synchronous_commit', 'off', true);
    began := clock_timestamp();
    failure := NULL;
    code := NULL;
    part := false;
    passed := 0;
    gone := 0;
    kept := 0;
    child_gone := array_fill(0::int8, ARRAY[cardinality(lines)]);
    BEGIN
      IF watched IS NOT NULL THEN
        before := ARRAY[@SOURCE@, @CHILDREN@, @TARGET@];
      END IF;
      IF by_places THEN
        EXECUTE lock_statement INTO seen, last, locked, places USING lower_end, upper_end, size, cut_off;
        passed := seen - locked;
        FOR child IN 1 .. cardinality(by_child) LOOP
          EXIT WHEN locked = 0 OR part;
          LOOP
            EXECUTE by_child[child] INTO one_seen, last_child, one_gone, kept USING places, NULL::text, most, cut_off;
            IF one_gone < one_seen THEN
              RAISE EXCEPTION '% of % chosen rows of a child did not go', one_seen - one_gone, one_seen;
            END IF;
            child_gone[child_lines[child]] := child_gone[child_lines[child]] + one_gone;
            EXIT WHEN one_seen < most;
            -- More than a transaction may take: fewer rows at a time, and at last what points at one row in parts.
            IF locked > 1 THEN
              RAISE EXCEPTION USING ERRCODE = 'RC001', MESSAGE = 'too many rows of a child';
            END IF;
            part := watched IS NULL;
            EXIT WHEN part;
          END LOOP;
        END LOOP;
        IF locked > 0 AND NOT part THEN
          EXECUTE at_places INTO one_seen, last_child, gone, kept USING places, NULL::text, size, cut_off;
          IF gone < locked THEN
            RAISE EXCEPTION '% of % chosen rows did not go', locked - gone, locked;
          END IF;
        ELSE
          kept := 0;
        END IF;
      ELSE
        EXECUTE statement INTO seen, last, gone, kept USING lower_end, upper_end, size, cut_off;
        IF watched IS NOT NULL AND gone < seen THEN
          RAISE EXCEPTION '% of % chosen rows did not go', seen - gone, seen;
        END IF;
      END IF;
      IF gone <> kept THEN
        RAISE EXCEPTION '% rows were to move and % arrived', gone, kept;
      END IF;
      IF watched IS NOT NULL THEN
        SET CONSTRAINTS ALL IMMEDIATE;
        done := ARRAY[@SOURCE@, @CHILDREN@, @TARGET@];
        SELECT array_agg(d - b ORDER BY n) INTO done FROM unnest(done, before) WITH ORDINALITY u (d, b, n);
        IF done <> ARRAY[0, gone, 0, (SELECT sum(c) FROM unnest(child_gone) c),
          CASE WHEN cardinality(targets) > 0 THEN gone ELSE 0 END, 0]::int8[] THEN
          RAISE EXCEPTION 'rows came back, came twice, or went unseen: inserted and deleted in the table, its children and its archive are %, for % rows',
            done, gone;
        END IF;
      END IF;
      took := extract(epoch FROM clock_timestamp() - began) * 1000;
      child_gone[cardinality(lines)] := gone;
      UPDATE @SCHEMA@.retention_run r
      SET rows_affected = r.rows_affected + c.rows, execution_time_ms = r.execution_time_ms + round(took / cardinality(lines))
      FROM unnest(lines, child_gone) c (line, rows) WHERE r.id = c.line;
    EXCEPTION WHEN OTHERS THEN
      failure := SQLERRM;
      code := SQLSTATE;
      IF code = 'P0001' THEN
        failure := failure || '; the batch is taken back' || coalesce('. Suspected: ' || watched, '');
      END IF;
    END;
    COMMIT;
    -- What points at a row has come meanwhile, or only a part of it has gone.
    CONTINUE WHEN part AND failure IS NULL;
    IF code = 'RC001' THEN
      size := greatest(1, least(size, locked) / 4);
      CONTINUE;
    END IF;
    outcome := CASE
      WHEN failure IS NULL THEN 'done'
      -- Somebody was in the way: a lock that was not to be had, or transactions that exclude each other.
      WHEN code IN ('55P03', '40P01', '40001', '23503') THEN 'stopped'
      ELSE 'failed' END;
    EXIT WHEN outcome <> 'stopped' OR attempt >= retries;
    attempt := attempt + 1;
    IF NOT by_places THEN
      -- At once, and round who is in the way.
      by_places := true;
      CONTINUE;
    END IF;
    PERFORM pg_sleep(least(5, 0.1 * 2 ^ attempt) * (0.5 + random() / 2));
  END LOOP;
END
