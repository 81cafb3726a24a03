CREATE TABLE t (a integer, b integer);
CREATE INDEX a ON t (a);
CREATE INDEX theirs ON t (b);
CREATE TABLE taken ();
