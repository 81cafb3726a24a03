-- The server rewrites the stored query. The declared text names what is gone.
ALTER TABLE t RENAME "old" TO new;
-- Both tables have it now.
ALTER TABLE u ADD a integer;
