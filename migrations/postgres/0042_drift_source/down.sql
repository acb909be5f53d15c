DROP INDEX relation_by_source;
DROP INDEX unauthorised_change_by_item;
ALTER TABLE unauthorised_change DROP COLUMN last_found_at;
ALTER TABLE unauthorised_change DROP COLUMN field;
ALTER TABLE unauthorised_change DROP COLUMN last_seen_at;
ALTER TABLE data_source DROP COLUMN reports_drift;
