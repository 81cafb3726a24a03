-- One table with a column of each type that the forms need, and what they call.
CREATE SCHEMA app;
CREATE SCHEMA shop;
CREATE SCHEMA "Odd.Schema";
CREATE EXTENSION citext;
CREATE EXTENSION pg_trgm SCHEMA shop;
CREATE EXTENSION hstore;
CREATE EXTENSION btree_gist;
CREATE TYPE mood AS ENUM ('sad', 'ok', 'it''s fine');
CREATE TYPE pair AS (x integer, y text);
CREATE DOMAIN email AS varchar(90) CHECK (VALUE LIKE '%@%');
CREATE DOMAIN app.small AS integer CHECK (VALUE < 1000);
CREATE FUNCTION app.norm(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT lower($1)';
CREATE FUNCTION shop.norm(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT upper($1)';
CREATE FUNCTION shop."Odd Name"(text, VARIADIC integer[]) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT $1';
CREATE FUNCTION app.with_default(a integer, b integer DEFAULT 7) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT a + b';
CREATE COLLATION shop.own FROM "C";
CREATE TABLE stock (
  id integer, status varchar(50), kind char(4), name text, note text COLLATE "C", sku citext, price numeric(10,2),
  quantity integer, big bigint, ratio double precision, active boolean, made date, at timestamp, sold_at timestamptz,
  took interval, doc jsonb, old_doc json, tags text[], numbers integer[], span tstzrange, size int4range, feel mood,
  mail email, little app.small, part pair, mark hstore, place point, net inet, token uuid, bits bit(8), raw bytea,
  "Mixed Case" text, "select" integer, text text
);
CREATE TABLE shop.stock (id integer, status text, name varchar(20));
CREATE TABLE "Odd.Schema"."It's" ("a""b" text, c integer);
