-- Sources that look at the things themselves find what was changed without a change.
ALTER TABLE data_source ADD COLUMN reports_drift BOOLEAN NOT NULL DEFAULT FALSE;
-- It became other after it was last seen as it should be.
ALTER TABLE unauthorised_change ADD COLUMN last_seen_at TIMESTAMP;
CREATE INDEX unauthorised_change_by_item ON unauthorised_change (configuration_item_id, source, id);
