CREATE FUNCTION latest() RETURNS SETOF daily LANGUAGE sql AS 'SELECT * FROM daily LIMIT 1';
CREATE TABLE snapshot (taken timestamptz, row_then daily);
