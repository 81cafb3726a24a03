CREATE TABLE t (a integer, at timestamptz, tags text[]);
CREATE INDEX theirs ON t (a);
CREATE INDEX their_tags ON t USING gin (tags);
COMMENT ON INDEX their_tags IS 'theirs';
CREATE INDEX their_at ON t USING brin (at);
CREATE INDEX their_at_desc ON t (at DESC);
