CREATE TABLE log (id integer PRIMARY KEY, at timestamptz NOT NULL, body text NOT NULL, gone integer NOT NULL);
