CREATE TABLE log (id serial PRIMARY KEY, at timestamptz NOT NULL);
