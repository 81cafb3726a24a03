CREATE VIEW report AS SELECT day, total FROM daily;
