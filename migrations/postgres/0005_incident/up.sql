CREATE TABLE incident (
    record_id TEXT COLLATE "C" NOT NULL PRIMARY KEY REFERENCES record (id),
    incident_type TEXT COLLATE "C" NOT NULL,
    channel TEXT COLLATE "C" NOT NULL,
    category TEXT COLLATE "C",
    subcategory TEXT COLLATE "C",
    symptom TEXT COLLATE "C",
    location TEXT COLLATE "C",
    hold_reason TEXT COLLATE "C",
    held_at TIMESTAMP,
    resolution_code TEXT COLLATE "C",
    resolution_notes TEXT COLLATE "C",
    resolution_kind TEXT COLLATE "C",
    reassignment_count INTEGER NOT NULL,
    reopen_count INTEGER NOT NULL,
    parent_id TEXT COLLATE "C" REFERENCES record (id),
    duplicate_of_id TEXT COLLATE "C" REFERENCES record (id)
);
CREATE INDEX incident_by_category ON incident (category, subcategory);
CREATE INDEX incident_by_parent ON incident (parent_id);
CREATE INDEX incident_by_duplicate ON incident (duplicate_of_id);
