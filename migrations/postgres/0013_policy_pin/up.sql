-- How much of a version its tests have to reach before it goes live, in per cent; null for nothing.
ALTER TABLE policy ADD COLUMN least_line_coverage INTEGER;
ALTER TABLE policy ADD COLUMN least_branch_coverage INTEGER;

-- Decisions that were made once and must go on to come out as they did.
CREATE TABLE policy_pin (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    policy_id TEXT COLLATE "C" NOT NULL REFERENCES policy (id),
    decision_id TEXT COLLATE "C" NOT NULL,
    record_id TEXT COLLATE "C" NOT NULL REFERENCES record (id),
    name TEXT COLLATE "C" NOT NULL,
    comment TEXT COLLATE "C" NOT NULL,
    input TEXT COLLATE "C" NOT NULL,
    host_calls TEXT COLLATE "C" NOT NULL,
    outcome TEXT COLLATE "C" NOT NULL,
    created_by TEXT COLLATE "C" NOT NULL,
    created_at TIMESTAMP NOT NULL
);
CREATE INDEX policy_pin_by_policy ON policy_pin (policy_id, id);
CREATE UNIQUE INDEX policy_pin_once ON policy_pin (decision_id);
