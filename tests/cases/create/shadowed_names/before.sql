CREATE TABLE t (a integer, b text); CREATE SCHEMA first; CREATE TABLE first.t (z integer); CREATE FUNCTION first.lower(text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT $1 $$;
