CREATE SCHEMA shop; CREATE TABLE shop.stock (a integer, b text);
