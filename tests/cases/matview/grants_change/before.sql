CREATE TABLE sale (id serial PRIMARY KEY, price numeric);
INSERT INTO sale (price) SELECT n FROM generate_series(1, 20) n;
DO $$ BEGIN CREATE ROLE grants_reader; EXCEPTION WHEN duplicate_object OR unique_violation THEN END $$;
DO $$ BEGIN CREATE ROLE grants_other; EXCEPTION WHEN duplicate_object OR unique_violation THEN END $$;
DO $$ BEGIN CREATE ROLE grants_keeper; EXCEPTION WHEN duplicate_object OR unique_violation THEN END $$;
DO $$ BEGIN CREATE ROLE "Grants Odd, ""Role"""; EXCEPTION WHEN duplicate_object OR unique_violation THEN END $$;
