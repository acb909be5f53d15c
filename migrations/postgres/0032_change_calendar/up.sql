-- When changes are to be made, and when they must not.
CREATE TABLE change_window (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    name TEXT COLLATE "C" NOT NULL UNIQUE,
    description TEXT COLLATE "C" NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    configuration_item_id TEXT COLLATE "C" REFERENCES record (id),
    service_id TEXT COLLATE "C" REFERENCES record (id),
    calendar_id TEXT COLLATE "C" REFERENCES calendar (id),
    starts_at TIMESTAMP,
    ends_at TIMESTAMP,
    active BOOLEAN NOT NULL,
    version INTEGER NOT NULL,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL
);
CREATE INDEX record_by_plan ON record (planned_start) WHERE planned_start IS NOT NULL;

-- What was found other than it should be, though no change says so.
CREATE TABLE unauthorised_change (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    configuration_item_id TEXT COLLATE "C" NOT NULL REFERENCES record (id),
    found_at TIMESTAMP NOT NULL,
    drifted_at TIMESTAMP NOT NULL,
    summary TEXT COLLATE "C" NOT NULL,
    source TEXT COLLATE "C" NOT NULL,
    state TEXT COLLATE "C" NOT NULL,
    change_id TEXT COLLATE "C" REFERENCES record (id),
    comment TEXT COLLATE "C" NOT NULL,
    reported_by_id TEXT COLLATE "C" NOT NULL REFERENCES user_account (id),
    settled_by_id TEXT COLLATE "C" REFERENCES user_account (id),
    settled_at TIMESTAMP
);
CREATE INDEX unauthorised_change_by_state ON unauthorised_change (state, id);
