CREATE SCHEMA s;
CREATE TABLE s.log (id integer, at timestamptz) PARTITION BY RANGE (at);
CREATE TABLE s.log_2025 PARTITION OF s.log FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE s.log_rest PARTITION OF s.log DEFAULT;
CREATE TABLE s.base (id integer, at timestamptz);
CREATE TABLE s.heir () INHERITS (s.base);
