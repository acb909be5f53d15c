-- Problems, and how their causes were looked for.
CREATE TABLE problem (
    record_id TEXT COLLATE "C" NOT NULL PRIMARY KEY REFERENCES record (id),
    origin TEXT COLLATE "C" NOT NULL,
    category TEXT COLLATE "C",
    subcategory TEXT COLLATE "C",
    symptom TEXT COLLATE "C",
    error_code TEXT COLLATE "C",
    cause TEXT COLLATE "C",
    workaround TEXT COLLATE "C",
    known_error_at TIMESTAMP,
    workaround_published_at TIMESTAMP,
    resolution_notes TEXT COLLATE "C",
    closure TEXT COLLATE "C"
);
-- Known errors are looked through from the newest on.
CREATE INDEX problem_by_known_error ON problem (known_error_at) WHERE known_error_at IS NOT NULL;

CREATE TABLE problem_analysis (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    record_id TEXT COLLATE "C" NOT NULL REFERENCES record (id),
    technique TEXT COLLATE "C" NOT NULL,
    title TEXT COLLATE "C" NOT NULL,
    content TEXT COLLATE "C" NOT NULL,
    author_id TEXT COLLATE "C" NOT NULL REFERENCES user_account (id),
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL
);
CREATE INDEX problem_analysis_of_record ON problem_analysis (record_id, id);
