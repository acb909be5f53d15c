DROP INDEX unauthorised_change_by_item;
ALTER TABLE unauthorised_change DROP COLUMN last_seen_at;
ALTER TABLE data_source DROP COLUMN reports_drift;
