ALTER TABLE configuration_baseline DROP COLUMN taken_at;
