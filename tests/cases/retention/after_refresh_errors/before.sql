CREATE TABLE log (id int, at timestamptz NOT NULL);
