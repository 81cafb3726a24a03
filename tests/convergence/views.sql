CREATE SCHEMA app;
CREATE SCHEMA "Odd.Schema";
CREATE TYPE app.mood AS ENUM ('good', 'bad');
CREATE TABLE item (id integer PRIMARY KEY, parent integer, name varchar(40), kind char(3), price numeric(10,2), at timestamptz,
  day date, tags text[], data jsonb, old json, mood app.mood, "Odd Column" text, flag boolean, span interval);
CREATE TABLE "Odd.Schema"."Odd Table" ("Id" integer, "select" text);
CREATE VIEW plain AS SELECT id, name FROM item WHERE price > 0;
CREATE FUNCTION app.twice(x numeric) RETURNS numeric LANGUAGE sql IMMUTABLE AS 'SELECT x * 2';
CREATE FUNCTION app.series(n integer) RETURNS TABLE (a integer, b text) LANGUAGE sql AS 'SELECT i, i::text FROM generate_series(1, n) i';
INSERT INTO item (id, parent, name, kind, price, at, day, tags, data, old, mood, "Odd Column", flag, span)
SELECT n, nullif(n / 2, 0), 'n' || n, 'k' || n % 3, n, '2026-01-01'::timestamptz + n * interval '1 day', '2026-01-01'::date + n,
  ARRAY['a', 'b'], '{"k": [1, 2], "t": {"u": "x"}}', '{"k": 1}', 'good', 'o', n % 2 = 0, '1 day' FROM generate_series(1, 20) n;
