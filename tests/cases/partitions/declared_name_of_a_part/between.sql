CREATE INDEX new_ev2 ON ev2 (v, id);
