CREATE TABLE t (id integer, a text);
INSERT INTO t VALUES (1, 'x');
CREATE ACCESS METHOD another TYPE TABLE HANDLER heap_tableam_handler;
CREATE MATERIALIZED VIEW v USING another AS SELECT t.id, t.a FROM t;
CREATE INDEX v_a ON v (a);
