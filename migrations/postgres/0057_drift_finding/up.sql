-- What is other: a field, a thing that appeared or vanished, or a relation with another record.
ALTER TABLE unauthorised_change ADD COLUMN finding TEXT COLLATE "C" NOT NULL DEFAULT 'reported';
UPDATE unauthorised_change SET finding = 'changed' WHERE field IS NOT NULL;
ALTER TABLE unauthorised_change ADD COLUMN related_id TEXT COLLATE "C" REFERENCES record (id);
CREATE INDEX unauthorised_change_by_related ON unauthorised_change (related_id, id);

-- When a source looked at a thing before it last did: an import that was cut off has written its own look already.
ALTER TABLE configuration_seen ADD COLUMN seen_before TIMESTAMP;
