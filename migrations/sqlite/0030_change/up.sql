-- Changes: what is to be other, what may go wrong, who agreed.
CREATE TABLE change (
    record_id TEXT NOT NULL PRIMARY KEY REFERENCES record (id),
    change_type TEXT NOT NULL,
    model TEXT,
    justification TEXT,
    risk TEXT NOT NULL,
    rule_risk TEXT,
    questionnaire_risk TEXT,
    team_failures INTEGER NOT NULL,
    implementation_plan TEXT,
    backout_plan TEXT,
    test_plan TEXT,
    communication_plan TEXT,
    outage_start TIMESTAMP,
    outage_end TIMESTAMP,
    conflict_count INTEGER NOT NULL,
    blackout TEXT,
    actual_start TIMESTAMP,
    actual_end TIMESTAMP,
    result TEXT,
    result_notes TEXT,
    cab_review TEXT,
    review_notes TEXT,
    reviewed_at TIMESTAMP
);
CREATE INDEX change_of_result ON change (result);

-- Templates of changes.
CREATE TABLE change_model (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    description TEXT NOT NULL,
    change_type TEXT NOT NULL,
    fields TEXT NOT NULL,
    tasks TEXT NOT NULL,
    active BOOLEAN NOT NULL,
    version INTEGER NOT NULL,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL
);

-- How a change was answered for: one row for each question.
CREATE TABLE change_answer (
    change_id TEXT NOT NULL REFERENCES record (id),
    question TEXT NOT NULL,
    answer TEXT NOT NULL,
    PRIMARY KEY (change_id, question)
);

-- Which approvals policies have asked for or given: what they cover is decided by them again.
ALTER TABLE approval ADD COLUMN by_policy BOOLEAN NOT NULL DEFAULT FALSE;
