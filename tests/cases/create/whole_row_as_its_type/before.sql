CREATE TABLE w (a integer, b integer);
