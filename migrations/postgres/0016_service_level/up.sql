-- What is promised for records of a kind: how long something may take, by which calendar, and what makes the clock go.
CREATE TABLE service_level (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    name TEXT COLLATE "C" NOT NULL,
    description TEXT COLLATE "C" NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    agreement TEXT COLLATE "C" NOT NULL,
    metric TEXT COLLATE "C" NOT NULL,
    content TEXT COLLATE "C" NOT NULL,
    active BOOLEAN NOT NULL,
    version INTEGER NOT NULL,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL
);
CREATE UNIQUE INDEX service_level_by_name ON service_level (name);

-- A clock of a record. What it shows follows from its ledger and its calendar; it is kept here so that lists can be sorted by it.
CREATE TABLE service_clock (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    record_id TEXT COLLATE "C" NOT NULL REFERENCES record (id),
    service_level_id TEXT COLLATE "C" NOT NULL REFERENCES service_level (id),
    level_version INTEGER NOT NULL,
    agreement TEXT COLLATE "C" NOT NULL,
    metric TEXT COLLATE "C" NOT NULL,
    state TEXT COLLATE "C" NOT NULL,
    target BIGINT NOT NULL,
    calendar TEXT COLLATE "C" NOT NULL,
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
    breach_code TEXT COLLATE "C",
    breach_note TEXT COLLATE "C",
    entries INTEGER NOT NULL,
    organisation_id TEXT COLLATE "C" NOT NULL,
    team_id TEXT COLLATE "C",
    service_id TEXT COLLATE "C",
    priority INTEGER NOT NULL
);
CREATE UNIQUE INDEX service_clock_once ON service_clock (record_id, agreement, metric);
CREATE INDEX service_clock_by_deadline ON service_clock (state, deadline, id);
CREATE INDEX service_clock_by_end ON service_clock (ended_at, id);

-- The ledger of a clock: what made it go, stop and change. It is added to and never changed.
CREATE TABLE service_clock_entry (
    clock_id TEXT COLLATE "C" NOT NULL REFERENCES service_clock (id),
    seq INTEGER NOT NULL,
    at TIMESTAMP NOT NULL,
    told_at TIMESTAMP NOT NULL,
    event TEXT COLLATE "C" NOT NULL,
    percent INTEGER,
    target BIGINT NOT NULL,
    calendar TEXT COLLATE "C" NOT NULL,
    via TEXT COLLATE "C" NOT NULL,
    record_version INTEGER NOT NULL,
    PRIMARY KEY (clock_id, seq)
);

-- Service levels and calendars that have changed, whose clocks are still to follow.
CREATE TABLE service_clock_recheck (
    subject TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    due_at TIMESTAMP NOT NULL
);

INSERT INTO setting (name, value) VALUES ('service_level_epoch', '') ON CONFLICT DO NOTHING;
CREATE TRIGGER service_level_counts AFTER INSERT OR UPDATE OR DELETE ON service_level
    FOR EACH STATEMENT EXECUTE FUNCTION raise_epoch('service_level_epoch');
CREATE TRIGGER calendar_counts_for_levels AFTER INSERT OR UPDATE OR DELETE ON calendar
    FOR EACH STATEMENT EXECUTE FUNCTION raise_epoch('service_level_epoch');
CREATE TRIGGER custom_field_counts_for_levels AFTER INSERT OR UPDATE OR DELETE ON custom_field
    FOR EACH STATEMENT EXECUTE FUNCTION raise_epoch('service_level_epoch');
