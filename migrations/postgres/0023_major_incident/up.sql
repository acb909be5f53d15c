-- Incidents that are led as major ones: who leads, what was told when, and what was learned.
CREATE TABLE major_incident (
    record_id TEXT COLLATE "C" NOT NULL PRIMARY KEY REFERENCES record (id),
    accepted_at TIMESTAMP NOT NULL,
    accepted_by_id TEXT COLLATE "C" NOT NULL REFERENCES user_account (id),
    roles TEXT COLLATE "C" NOT NULL,
    update_every BIGINT,
    next_update_at TIMESTAMP,
    review TEXT COLLATE "C" NOT NULL
);

CREATE TABLE major_incident_entry (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    record_id TEXT COLLATE "C" NOT NULL REFERENCES record (id),
    at TIMESTAMP NOT NULL,
    told_at TIMESTAMP NOT NULL,
    author_id TEXT COLLATE "C" NOT NULL REFERENCES user_account (id),
    kind TEXT COLLATE "C" NOT NULL,
    audience TEXT COLLATE "C" NOT NULL,
    body TEXT COLLATE "C" NOT NULL
);
CREATE INDEX major_incident_entry_of_record ON major_incident_entry (record_id, at, id);

CREATE TABLE major_incident_action (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    record_id TEXT COLLATE "C" NOT NULL REFERENCES record (id),
    title TEXT COLLATE "C" NOT NULL,
    owner_id TEXT COLLATE "C" REFERENCES user_account (id),
    due_at TIMESTAMP,
    done_at TIMESTAMP,
    created_at TIMESTAMP NOT NULL
);
CREATE INDEX major_incident_action_of_record ON major_incident_action (record_id, id);
