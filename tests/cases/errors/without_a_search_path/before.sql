CREATE TABLE t (a integer, b text); CREATE FUNCTION f(text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT $1 $$;
