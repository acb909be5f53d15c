-- Changes: what is to be other, what may go wrong, who agreed.
CREATE TABLE change (
    record_id TEXT COLLATE "C" NOT NULL PRIMARY KEY REFERENCES record (id),
    change_type TEXT COLLATE "C" NOT NULL,
    model TEXT COLLATE "C",
    justification TEXT COLLATE "C",
    risk TEXT COLLATE "C" NOT NULL,
    rule_risk TEXT COLLATE "C",
    questionnaire_risk TEXT COLLATE "C",
    team_failures INTEGER NOT NULL,
    implementation_plan TEXT COLLATE "C",
    backout_plan TEXT COLLATE "C",
    test_plan TEXT COLLATE "C",
    communication_plan TEXT COLLATE "C",
    outage_start TIMESTAMP,
    outage_end TIMESTAMP,
    conflict_count INTEGER NOT NULL,
    blackout TEXT COLLATE "C",
    actual_start TIMESTAMP,
    actual_end TIMESTAMP,
    result TEXT COLLATE "C",
    result_notes TEXT COLLATE "C",
    cab_review TEXT COLLATE "C",
    review_notes TEXT COLLATE "C",
    reviewed_at TIMESTAMP
);
CREATE INDEX change_of_result ON change (result);

-- Templates of changes.
CREATE TABLE change_model (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    name TEXT COLLATE "C" NOT NULL UNIQUE,
    description TEXT COLLATE "C" NOT NULL,
    change_type TEXT COLLATE "C" NOT NULL,
    fields TEXT COLLATE "C" NOT NULL,
    tasks TEXT COLLATE "C" NOT NULL,
    active BOOLEAN NOT NULL,
    version INTEGER NOT NULL,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL
);

-- How a change was answered for: one row for each question.
CREATE TABLE change_answer (
    change_id TEXT COLLATE "C" NOT NULL REFERENCES record (id),
    question TEXT COLLATE "C" NOT NULL,
    answer TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (change_id, question)
);

-- Which approvals policies have asked for or given: what they cover is decided by them again.
ALTER TABLE approval ADD COLUMN by_policy BOOLEAN NOT NULL DEFAULT FALSE;
