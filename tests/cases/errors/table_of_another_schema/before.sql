CREATE SCHEMA other; CREATE SCHEMA "Odd.One";
CREATE TABLE other.event (a integer, at timestamptz);
CREATE TABLE public.events (a integer);
CREATE TABLE "Odd.One".log (a integer);
CREATE TABLE public.blog (a integer);
