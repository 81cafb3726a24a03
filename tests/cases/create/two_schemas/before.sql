CREATE SCHEMA x; CREATE SCHEMA y;
CREATE TABLE x.t (a integer, b text); CREATE TABLE y.t (b varchar(9), a text);
