-- How much of a version its tests have to reach before it goes live, in per cent; null for nothing.
ALTER TABLE policy ADD COLUMN least_line_coverage INTEGER;
ALTER TABLE policy ADD COLUMN least_branch_coverage INTEGER;

-- Decisions that were made once and must go on to come out as they did.
CREATE TABLE policy_pin (
    id TEXT NOT NULL PRIMARY KEY,
    policy_id TEXT NOT NULL REFERENCES policy (id),
    decision_id TEXT NOT NULL,
    record_id TEXT NOT NULL REFERENCES record (id),
    name TEXT NOT NULL,
    comment TEXT NOT NULL,
    input TEXT NOT NULL,
    host_calls TEXT NOT NULL,
    outcome TEXT NOT NULL,
    created_by TEXT NOT NULL,
    created_at TIMESTAMP NOT NULL
);
CREATE INDEX policy_pin_by_policy ON policy_pin (policy_id, id);
CREATE UNIQUE INDEX policy_pin_once ON policy_pin (decision_id);
