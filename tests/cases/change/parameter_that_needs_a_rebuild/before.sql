CREATE TABLE t (at timestamptz, k integer, tags text[], place point);
CREATE INDEX t_at ON t USING brin (at) WITH (pages_per_range = 128, autosummarize = off);
CREATE INDEX t_at_summary ON t USING brin (at);
CREATE INDEX t_k ON t USING hash (k);
CREATE INDEX t_place ON t USING gist (place) WITH (buffering = off);
CREATE INDEX t_tags ON t USING gin (tags);
CREATE INDEX t_order ON t (k) WITH (fillfactor = 70);
