-- Names that an array written as text would not keep apart from what it means by itself.
CREATE TABLE "NULL" ("NULL" timestamptz NOT NULL, "a,b" text NOT NULL, "{}" text, "\" text, """" text, id bigint PRIMARY KEY,
    UNIQUE ("a,b"));
CREATE INDEX "null" ON "NULL" ("NULL", "{}", "\", """");
CREATE TABLE parted ("NULL" int, "{NULL}" int) PARTITION BY RANGE ("NULL");
CREATE TABLE "parted,0" PARTITION OF parted FOR VALUES FROM (0) TO (10);
CREATE TABLE child ("NULL" bigint CONSTRAINT "NULL" REFERENCES "NULL" (id), x text);
