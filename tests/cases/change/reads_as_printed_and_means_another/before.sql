-- The server prints the same text for what is declared, which along the project's path means the function of `public`.
CREATE TABLE t (tags text[], name text);
CREATE INDEX tags ON t (array_length(tags, 1));
CREATE INDEX long ON t (lower(name)) WHERE (length(name) > 3);
CREATE FUNCTION array_length(text[], integer) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT 0';
