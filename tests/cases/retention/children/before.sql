CREATE TABLE batches (id integer PRIMARY KEY, at timestamptz);
CREATE TABLE records (id integer PRIMARY KEY, batch integer REFERENCES batches);
CREATE TABLE tags (batch integer REFERENCES batches ON DELETE SET NULL);
