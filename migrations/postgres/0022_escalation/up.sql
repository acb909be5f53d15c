-- Who was told of a record because it is in danger, how far up, and whether somebody answered.
ALTER TABLE record ADD COLUMN escalation_level INTEGER NOT NULL DEFAULT 0;
ALTER TABLE record ADD COLUMN escalated_at TIMESTAMP;
ALTER TABLE incident ADD COLUMN major TEXT COLLATE "C";

CREATE TABLE escalation (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    record_id TEXT COLLATE "C" NOT NULL REFERENCES record (id),
    record_version INTEGER NOT NULL,
    at TIMESTAMP NOT NULL,
    cause TEXT COLLATE "C" NOT NULL,
    clock_id TEXT COLLATE "C" REFERENCES service_clock (id),
    percent INTEGER,
    repeats INTEGER NOT NULL,
    level INTEGER NOT NULL,
    said TEXT COLLATE "C" NOT NULL,
    failed TEXT COLLATE "C" NOT NULL,
    reason TEXT COLLATE "C" NOT NULL,
    author_id TEXT COLLATE "C" REFERENCES user_account (id),
    again_at TIMESTAMP,
    answered_at TIMESTAMP,
    answered_by_id TEXT COLLATE "C" REFERENCES user_account (id),
    answer TEXT COLLATE "C"
);
CREATE INDEX escalation_of_record ON escalation (record_id, id);
