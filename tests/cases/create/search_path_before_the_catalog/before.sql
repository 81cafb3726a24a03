CREATE TABLE t (a integer, b text); CREATE SCHEMA first; CREATE FUNCTION first.lower(text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT $1 $$;
