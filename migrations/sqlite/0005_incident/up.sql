CREATE TABLE incident (
    record_id TEXT NOT NULL PRIMARY KEY REFERENCES record (id),
    incident_type TEXT NOT NULL,
    channel TEXT NOT NULL,
    category TEXT,
    subcategory TEXT,
    symptom TEXT,
    location TEXT,
    hold_reason TEXT,
    held_at TIMESTAMP,
    resolution_code TEXT,
    resolution_notes TEXT,
    resolution_kind TEXT,
    reassignment_count INTEGER NOT NULL,
    reopen_count INTEGER NOT NULL,
    parent_id TEXT REFERENCES record (id),
    duplicate_of_id TEXT REFERENCES record (id)
);
CREATE INDEX incident_by_category ON incident (category, subcategory);
CREATE INDEX incident_by_parent ON incident (parent_id);
CREATE INDEX incident_by_duplicate ON incident (duplicate_of_id);
