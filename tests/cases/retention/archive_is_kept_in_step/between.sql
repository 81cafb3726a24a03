ALTER TABLE log DROP COLUMN gone, ADD COLUMN "More Of It" numeric(10, 2)[], ALTER body DROP NOT NULL;
