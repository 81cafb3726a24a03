CREATE SCHEMA "S.1"; CREATE TABLE "S.1"."T" (a integer);
