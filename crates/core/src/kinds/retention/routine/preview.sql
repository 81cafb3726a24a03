#variable_conflict use_column
-- Names without a schema are looked up in: @PATH@
DECLARE
  reconcile_cut_off constant @TYPE@ := @CUT_OFF@;
  reconcile_began timestamptz;
BEGIN
  IF NOT EXISTS (SELECT FROM @SCHEMA@.resource r WHERE r.address = @ADDRESS@ AND r.definition = @DEFINITION@) THEN
    RETURN;
  END IF;
@COUNTS@END
