CREATE SCHEMA app;
CREATE TABLE public.t (id integer);
CREATE TABLE app.t (id integer);
