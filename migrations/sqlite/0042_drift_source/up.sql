-- Sources that look at the things themselves find what was changed without a change.
ALTER TABLE data_source ADD COLUMN reports_drift BOOLEAN NOT NULL DEFAULT FALSE;
UPDATE data_source SET reports_drift = TRUE WHERE name = 'discovery';
-- It became other after it was last seen as it should be.
ALTER TABLE unauthorised_change ADD COLUMN last_seen_at TIMESTAMP;
-- What a source finds, it finds field by field, and again as long as it stays so.
ALTER TABLE unauthorised_change ADD COLUMN field TEXT;
ALTER TABLE unauthorised_change ADD COLUMN last_found_at TIMESTAMP NOT NULL DEFAULT '1970-01-01 00:00:00';
UPDATE unauthorised_change SET last_found_at = found_at;
CREATE INDEX unauthorised_change_by_item ON unauthorised_change (configuration_item_id, source, field, id);
-- Relations of a source, for those that it no longer names.
CREATE INDEX relation_by_source ON relation (source, id);
