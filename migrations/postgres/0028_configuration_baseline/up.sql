-- What configuration items were at a moment, and what they have to comply with.
CREATE TABLE configuration_baseline (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    name TEXT COLLATE "C" NOT NULL,
    description TEXT COLLATE "C" NOT NULL,
    filter TEXT COLLATE "C" NOT NULL,
    items INTEGER NOT NULL,
    created_by_id TEXT COLLATE "C" NOT NULL REFERENCES user_account (id),
    created_at TIMESTAMP NOT NULL
);
CREATE UNIQUE INDEX configuration_baseline_by_name ON configuration_baseline (name);

CREATE TABLE configuration_baseline_item (
    baseline_id TEXT COLLATE "C" NOT NULL REFERENCES configuration_baseline (id),
    record_id TEXT COLLATE "C" NOT NULL REFERENCES record (id),
    content TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (baseline_id, record_id)
);

CREATE TABLE compliance_rule (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    name TEXT COLLATE "C" NOT NULL,
    description TEXT COLLATE "C" NOT NULL,
    scope TEXT COLLATE "C" NOT NULL,
    condition TEXT COLLATE "C" NOT NULL,
    active BOOLEAN NOT NULL,
    version INTEGER NOT NULL,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL
);
CREATE UNIQUE INDEX compliance_rule_by_name ON compliance_rule (name);
