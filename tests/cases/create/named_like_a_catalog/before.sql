CREATE TABLE pg_index (a integer, b text); CREATE TABLE pg_class (relname text); CREATE TABLE pg_attribute (c text);
