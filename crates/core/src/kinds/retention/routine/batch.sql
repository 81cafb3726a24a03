-- One batch of a rule: runs it, counts it and commits both together; again, where somebody else was in the way.
#variable_conflict use_variable
DECLARE
  attempt int := 0;
  began timestamptz;
  code text;
  kept bigint;
BEGIN
  LOOP
    PERFORM set_config('search_path', path, true), set_config('lock_timeout', patience, true),
      set_config('statement_timeout', '0', true), set_config('row_security', 'off', true), set_config('jit', 'off', true),
      set_config('TimeZone', 'UTC', true), set_config('DateStyle', 'ISO, YMD', true),
      -- A crash may take the latest batches back, each with its count. What closes the lines waits for the disk.
      set_config('synchronous_commit', 'off', true);
    began := clock_timestamp();
    failure := NULL;
    BEGIN
      EXECUTE statement INTO seen, last, gone, kept USING lower_end, upper_end, size, cut_off;
      IF gone <> kept THEN
        RAISE EXCEPTION '% rows were to move and % arrived; the batch is taken back', gone, kept;
      END IF;
      took := extract(epoch FROM clock_timestamp() - began) * 1000;
      UPDATE @SCHEMA@.retention_run r
      SET rows_affected = r.rows_affected + gone, execution_time_ms = r.execution_time_ms + round(took)
      WHERE r.id = line;
    EXCEPTION WHEN OTHERS THEN
      failure := SQLERRM;
      code := SQLSTATE;
    END;
    COMMIT;
    outcome := CASE
      WHEN failure IS NULL THEN 'done'
      -- Somebody was in the way: a lock that was not to be had, or transactions that exclude each other.
      WHEN code IN ('55P03', '40P01', '40001') THEN 'stopped'
      ELSE 'failed' END;
    EXIT WHEN outcome <> 'stopped' OR attempt >= retries;
    attempt := attempt + 1;
    PERFORM pg_sleep(least(5, 0.1 * 2 ^ attempt) * (0.5 + random() / 2));
  END LOOP;
END
