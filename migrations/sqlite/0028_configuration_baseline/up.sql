-- What configuration items were at a moment, and what they have to comply with.
CREATE TABLE configuration_baseline (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    filter TEXT NOT NULL,
    items INTEGER NOT NULL,
    created_by_id TEXT NOT NULL REFERENCES user_account (id),
    created_at TIMESTAMP NOT NULL
);
CREATE UNIQUE INDEX configuration_baseline_by_name ON configuration_baseline (name);

CREATE TABLE configuration_baseline_item (
    baseline_id TEXT NOT NULL REFERENCES configuration_baseline (id),
    record_id TEXT NOT NULL REFERENCES record (id),
    content TEXT NOT NULL,
    PRIMARY KEY (baseline_id, record_id)
);

CREATE TABLE compliance_rule (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    scope TEXT NOT NULL,
    condition TEXT NOT NULL,
    active BOOLEAN NOT NULL,
    version INTEGER NOT NULL,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL
);
CREATE UNIQUE INDEX compliance_rule_by_name ON compliance_rule (name);
