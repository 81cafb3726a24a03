-- The index of the key is unique by name alone: it belongs to a method that has no unique indexes.
CREATE TABLE t (id int4range, at tstzrange, CONSTRAINT t_pkey PRIMARY KEY (id, at WITHOUT OVERLAPS));
