-- A column that each star takes in.
ALTER TABLE t ADD c text;
ALTER TABLE u ADD d integer;
-- A view with one more column.
CREATE OR REPLACE VIEW over_t AS SELECT id, a FROM t;
-- A function that fits better.
CREATE FUNCTION f(integer) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT 2';
-- A table that the search path finds first.
CREATE TABLE app.hidden (id integer);
-- The same function with another body is what the view calls anyhow.
CREATE OR REPLACE FUNCTION rows_of_u() RETURNS SETOF u LANGUAGE sql STABLE AS 'SELECT * FROM public.u WHERE true';
