CREATE TABLE sale (day date, platform varchar(20), price numeric);
INSERT INTO sale SELECT '2026-01-01'::date + n % 5, 'p' || n % 3, n FROM generate_series(1, 200) n;
