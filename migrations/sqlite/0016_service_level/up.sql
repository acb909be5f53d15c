-- What is promised for records of a kind: how long something may take, by which calendar, and what makes the clock go.
CREATE TABLE service_level (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    kind TEXT NOT NULL,
    agreement TEXT NOT NULL,
    metric TEXT NOT NULL,
    content TEXT NOT NULL,
    active BOOLEAN NOT NULL,
    version INTEGER NOT NULL,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL
);
CREATE UNIQUE INDEX service_level_by_name ON service_level (name);

-- A clock of a record. What it shows follows from its ledger and its calendar; it is kept here so that lists can be sorted by it.
CREATE TABLE service_clock (
    id TEXT NOT NULL PRIMARY KEY,
    record_id TEXT NOT NULL REFERENCES record (id),
    service_level_id TEXT NOT NULL REFERENCES service_level (id),
    level_version INTEGER NOT NULL,
    agreement TEXT NOT NULL,
    metric TEXT NOT NULL,
    state TEXT NOT NULL,
    target BIGINT NOT NULL,
    calendar TEXT NOT NULL,
    started_at TIMESTAMP NOT NULL,
    since TIMESTAMP NOT NULL,
    elapsed BIGINT NOT NULL,
    deadline TIMESTAMP,
    ended_at TIMESTAMP,
    told INTEGER NOT NULL,
    breached_at TIMESTAMP,
    rounds INTEGER NOT NULL,
    breached_rounds INTEGER NOT NULL,
    round_entry INTEGER NOT NULL,
    breach_code TEXT,
    breach_note TEXT,
    entries INTEGER NOT NULL,
    organisation_id TEXT NOT NULL,
    team_id TEXT,
    service_id TEXT,
    priority INTEGER NOT NULL
);
CREATE UNIQUE INDEX service_clock_once ON service_clock (record_id, agreement, metric);
CREATE INDEX service_clock_by_deadline ON service_clock (state, deadline, id);
CREATE INDEX service_clock_by_end ON service_clock (ended_at, id);

-- The ledger of a clock: what made it go, stop and change. It is added to and never changed.
CREATE TABLE service_clock_entry (
    clock_id TEXT NOT NULL REFERENCES service_clock (id),
    seq INTEGER NOT NULL,
    at TIMESTAMP NOT NULL,
    told_at TIMESTAMP NOT NULL,
    event TEXT NOT NULL,
    percent INTEGER,
    target BIGINT NOT NULL,
    calendar TEXT NOT NULL,
    via TEXT NOT NULL,
    record_version INTEGER NOT NULL,
    PRIMARY KEY (clock_id, seq)
);

-- Service levels and calendars that have changed, whose clocks are still to follow.
CREATE TABLE service_clock_recheck (
    subject TEXT NOT NULL PRIMARY KEY,
    due_at TIMESTAMP NOT NULL
);

INSERT INTO setting (name, value) VALUES ('service_level_epoch', '') ON CONFLICT DO NOTHING;
CREATE TRIGGER service_level_added AFTER INSERT ON service_level BEGIN
    UPDATE setting SET value = hex(randomblob(16)) WHERE name = 'service_level_epoch';
END;
CREATE TRIGGER service_level_changed AFTER UPDATE ON service_level BEGIN
    UPDATE setting SET value = hex(randomblob(16)) WHERE name = 'service_level_epoch';
END;
CREATE TRIGGER service_level_removed AFTER DELETE ON service_level BEGIN
    UPDATE setting SET value = hex(randomblob(16)) WHERE name = 'service_level_epoch';
END;
CREATE TRIGGER calendar_added_to_levels AFTER INSERT ON calendar BEGIN
    UPDATE setting SET value = hex(randomblob(16)) WHERE name = 'service_level_epoch';
END;
CREATE TRIGGER calendar_changed_for_levels AFTER UPDATE ON calendar BEGIN
    UPDATE setting SET value = hex(randomblob(16)) WHERE name = 'service_level_epoch';
END;
CREATE TRIGGER custom_field_added_to_levels AFTER INSERT ON custom_field BEGIN
    UPDATE setting SET value = hex(randomblob(16)) WHERE name = 'service_level_epoch';
END;
CREATE TRIGGER custom_field_changed_for_levels AFTER UPDATE ON custom_field BEGIN
    UPDATE setting SET value = hex(randomblob(16)) WHERE name = 'service_level_epoch';
END;
