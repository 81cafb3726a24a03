CREATE TABLE t (at timestamptz); CREATE TABLE u (at timestamptz); CREATE INDEX ON t (at); CREATE INDEX ON u (at);
