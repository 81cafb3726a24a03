CREATE TABLE sale (day date, platform varchar(20), price numeric, data jsonb);
CREATE INDEX taken ON sale (day);
