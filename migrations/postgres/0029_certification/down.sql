DELETE FROM timer WHERE name LIKE 'certification:%';
DROP TABLE certification;
DROP TABLE certification_campaign;
