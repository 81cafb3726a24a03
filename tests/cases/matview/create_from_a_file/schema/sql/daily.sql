-- what was sold
SELECT count(*) AS n
FROM sale;
