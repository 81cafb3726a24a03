SELECT id
FROM sale; -- and then
DELETE FROM sale;
