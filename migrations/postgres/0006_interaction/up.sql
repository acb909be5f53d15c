CREATE TABLE interaction (
    record_id TEXT COLLATE "C" NOT NULL PRIMARY KEY REFERENCES record (id),
    channel TEXT COLLATE "C" NOT NULL,
    contact TEXT COLLATE "C",
    resolution_notes TEXT COLLATE "C",
    target_id TEXT COLLATE "C" REFERENCES record (id)
);
CREATE INDEX interaction_by_target ON interaction (target_id);
