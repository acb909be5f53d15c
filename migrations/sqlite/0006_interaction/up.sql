CREATE TABLE interaction (
    record_id TEXT NOT NULL PRIMARY KEY REFERENCES record (id),
    channel TEXT NOT NULL,
    contact TEXT,
    resolution_notes TEXT,
    target_id TEXT REFERENCES record (id)
);
CREATE INDEX interaction_by_target ON interaction (target_id);
