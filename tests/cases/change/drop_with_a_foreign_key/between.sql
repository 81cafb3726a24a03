CREATE TABLE child (a integer REFERENCES t (a));
