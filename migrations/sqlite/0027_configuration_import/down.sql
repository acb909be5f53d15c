DROP TABLE configuration_import_row;
DROP TABLE configuration_origin;
DROP TABLE configuration_seen;
DROP TABLE data_source;
DELETE FROM job WHERE kind = 'configuration_import';
