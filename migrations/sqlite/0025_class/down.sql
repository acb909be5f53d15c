ALTER TABLE configuration_item DROP COLUMN attributes;
DELETE FROM custom_value WHERE name LIKE 'attributes.%';
DROP TABLE record_class_line;
DROP TABLE record_class;
