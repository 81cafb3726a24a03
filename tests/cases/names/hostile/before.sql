CREATE TABLE "T ""q"" . dot" ("Mixed Case" integer, "a.b" text, "new
line" integer, "quo""te" integer, "desc" integer, "select" integer, "ünï→码" integer, "a;DROP TABLE t;--" integer);
