CREATE EXTENSION hstore; CREATE EXTENSION ltree; CREATE EXTENSION intarray;
CREATE TABLE t (h hstore, l ltree, n integer[]);
