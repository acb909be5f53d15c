ALTER TABLE data_source DROP COLUMN empty;
ALTER TABLE data_source DROP COLUMN missing;
