-- a comment
SELECT id,
       pice
FROM sale
