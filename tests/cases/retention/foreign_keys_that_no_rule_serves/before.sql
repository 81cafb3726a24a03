CREATE TABLE log (id integer PRIMARY KEY, at timestamptz, parent integer REFERENCES log, a integer, b integer, UNIQUE (a, b));
CREATE TABLE item (id integer PRIMARY KEY, log integer REFERENCES log);
CREATE TABLE detail (item integer REFERENCES item ON DELETE CASCADE);
CREATE TABLE pair (x integer, y integer, FOREIGN KEY (x, y) REFERENCES log (a, b));
CREATE TABLE plain (log integer REFERENCES log);
