CREATE TABLE t (id integer, a integer, "old" text);
CREATE TABLE u (id integer, b integer);
