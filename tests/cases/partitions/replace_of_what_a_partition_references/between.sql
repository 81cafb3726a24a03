CREATE TABLE r (id integer REFERENCES ev1 (id));
