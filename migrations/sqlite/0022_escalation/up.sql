-- Who was told of a record because it is in danger, how far up, and whether somebody answered.
ALTER TABLE record ADD COLUMN escalation_level INTEGER NOT NULL DEFAULT 0;
ALTER TABLE record ADD COLUMN escalated_at TIMESTAMP;
ALTER TABLE incident ADD COLUMN major TEXT;

CREATE TABLE escalation (
    id TEXT NOT NULL PRIMARY KEY,
    record_id TEXT NOT NULL REFERENCES record (id),
    record_version INTEGER NOT NULL,
    at TIMESTAMP NOT NULL,
    cause TEXT NOT NULL,
    clock_id TEXT REFERENCES service_clock (id),
    percent INTEGER,
    repeats INTEGER NOT NULL,
    level INTEGER NOT NULL,
    said TEXT NOT NULL,
    failed TEXT NOT NULL,
    reason TEXT NOT NULL,
    author_id TEXT REFERENCES user_account (id),
    again_at TIMESTAMP,
    answered_at TIMESTAMP,
    answered_by_id TEXT REFERENCES user_account (id),
    answer TEXT
);
CREATE INDEX escalation_of_record ON escalation (record_id, id);
