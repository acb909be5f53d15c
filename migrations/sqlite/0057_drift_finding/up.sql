-- What is other: a field, a thing that appeared or vanished, or a relation with another record.
ALTER TABLE unauthorised_change ADD COLUMN finding TEXT NOT NULL DEFAULT 'reported';
UPDATE unauthorised_change SET finding = 'changed' WHERE field IS NOT NULL;
ALTER TABLE unauthorised_change ADD COLUMN related_id TEXT REFERENCES record (id);
