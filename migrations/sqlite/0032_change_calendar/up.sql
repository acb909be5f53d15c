-- When changes are to be made, and when they must not.
CREATE TABLE change_window (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    description TEXT NOT NULL,
    kind TEXT NOT NULL,
    configuration_item_id TEXT REFERENCES record (id),
    service_id TEXT REFERENCES record (id),
    calendar_id TEXT REFERENCES calendar (id),
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
    id TEXT NOT NULL PRIMARY KEY,
    configuration_item_id TEXT NOT NULL REFERENCES record (id),
    found_at TIMESTAMP NOT NULL,
    drifted_at TIMESTAMP NOT NULL,
    summary TEXT NOT NULL,
    source TEXT NOT NULL,
    state TEXT NOT NULL,
    change_id TEXT REFERENCES record (id),
    comment TEXT NOT NULL,
    reported_by_id TEXT NOT NULL REFERENCES user_account (id),
    settled_by_id TEXT REFERENCES user_account (id),
    settled_at TIMESTAMP
);
CREATE INDEX unauthorised_change_by_state ON unauthorised_change (state, id);
