-- Problems, and how their causes were looked for.
CREATE TABLE problem (
    record_id TEXT NOT NULL PRIMARY KEY REFERENCES record (id),
    origin TEXT NOT NULL,
    category TEXT,
    subcategory TEXT,
    symptom TEXT,
    error_code TEXT,
    cause TEXT,
    workaround TEXT,
    known_error_at TIMESTAMP,
    workaround_published_at TIMESTAMP,
    resolution_notes TEXT,
    closure TEXT
);
-- Known errors are looked through from the newest on.
CREATE INDEX problem_by_known_error ON problem (known_error_at) WHERE known_error_at IS NOT NULL;

CREATE TABLE problem_analysis (
    id TEXT NOT NULL PRIMARY KEY,
    record_id TEXT NOT NULL REFERENCES record (id),
    technique TEXT NOT NULL,
    title TEXT NOT NULL,
    content TEXT NOT NULL,
    author_id TEXT NOT NULL REFERENCES user_account (id),
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL
);
CREATE INDEX problem_analysis_of_record ON problem_analysis (record_id, id);
