CREATE TABLE sale (day date, price numeric);
CREATE FUNCTION best() RETURNS numeric LANGUAGE sql STABLE AS 'SELECT max(price) FROM public.sale';
CREATE FUNCTION worst() RETURNS numeric LANGUAGE sql STABLE SET search_path = public AS 'SELECT min(price) FROM sale';
CREATE FUNCTION atomic(numeric) RETURNS numeric LANGUAGE sql IMMUTABLE RETURN $1 + 1;
