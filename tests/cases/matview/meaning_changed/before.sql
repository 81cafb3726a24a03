CREATE SCHEMA app;
CREATE TABLE public.t (id integer, a integer, addr text);
INSERT INTO public.t VALUES (1, 10, 'x'), (2, 20, 'y');
CREATE TABLE public.u (id integer, b integer);
INSERT INTO public.u VALUES (1, 1);
CREATE VIEW public.over_t AS SELECT id FROM public.t;
CREATE FUNCTION public.f(numeric) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT 1';
CREATE FUNCTION public.rows_of_u() RETURNS SETOF public.u LANGUAGE sql STABLE AS 'SELECT * FROM public.u';
CREATE TABLE public.hidden (id integer);
