-- ON CONFLICT, foreign keys, the replica identity and the planner use neither of the two unique ones.
CREATE TABLE t (a integer NOT NULL, b integer, r int4range, CONSTRAINT later UNIQUE (a) DEFERRABLE,
                CONSTRAINT apart EXCLUDE USING gist (r WITH &&) DEFERRABLE);
CREATE TABLE u (a integer, CONSTRAINT later_still PRIMARY KEY (a) DEFERRABLE INITIALLY DEFERRED);
