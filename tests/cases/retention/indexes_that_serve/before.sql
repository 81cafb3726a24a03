CREATE TABLE log (id integer PRIMARY KEY, "At" timestamptz, a integer, b integer, UNIQUE (a, b));
CREATE INDEX ON log USING brin (id, "At");
-- Each of these finds the rows of one log.
CREATE TABLE partial (log integer REFERENCES log ON DELETE SET NULL);
CREATE INDEX ON partial (log) WHERE log IS NOT NULL;
CREATE TABLE hashed ("Log" integer REFERENCES log ON DELETE SET NULL);
CREATE INDEX ON hashed USING hash ("Log") WHERE "Log" IS NOT NULL;
CREATE TABLE pair (x integer, y integer, FOREIGN KEY (x, y) REFERENCES log (a, b) ON DELETE SET NULL);
CREATE INDEX ON pair (y, x) WHERE x IS NOT NULL AND y IS NOT NULL;
-- None of these does.
CREATE TABLE other (log integer REFERENCES log ON DELETE SET NULL, kind integer);
CREATE INDEX ON other (log) WHERE kind IS NOT NULL;
CREATE TABLE summarised (log integer REFERENCES log ON DELETE SET NULL);
CREATE INDEX ON summarised USING brin (log);
