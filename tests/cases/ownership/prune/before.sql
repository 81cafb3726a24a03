CREATE TABLE t (
  id integer PRIMARY KEY, a integer, b text, c timestamptz, status varchar(20), doc jsonb, tags text[], r int4range, p point
);

CREATE UNIQUE INDEX "By Hand" ON t (b); CREATE INDEX keep ON t (c); ALTER TABLE t ADD CONSTRAINT x EXCLUDE USING gist (r WITH &&), ADD UNIQUE (a, b);
CREATE TABLE u (id integer PRIMARY KEY, a integer); CREATE INDEX other ON u (a);
CREATE UNIQUE INDEX needed ON t (a); CREATE TABLE v (a integer REFERENCES t (a));
