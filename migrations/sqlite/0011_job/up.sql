-- Where a run stands among those of one decision: 0 is the first policy that was asked.
ALTER TABLE decision ADD COLUMN place INTEGER NOT NULL DEFAULT 0;
CREATE INDEX decision_by_kind ON decision (kind, place, at, id);

CREATE TABLE job (
    id TEXT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    state TEXT NOT NULL,
    asked TEXT NOT NULL,
    done BIGINT NOT NULL,
    total BIGINT NOT NULL,
    progress TEXT NOT NULL,
    error TEXT,
    stop_asked BOOLEAN NOT NULL,
    node TEXT,
    beat_at TIMESTAMP,
    created_by TEXT NOT NULL,
    created_at TIMESTAMP NOT NULL,
    started_at TIMESTAMP,
    ended_at TIMESTAMP
);
CREATE INDEX job_to_do ON job (created_at, id) WHERE ended_at IS NULL;
CREATE INDEX job_by_kind ON job (kind, id);
-- What it is about: a policy and a version, as `policy/3`.
CREATE INDEX job_by_subject ON job (subject, id);

CREATE TABLE back_test_difference (
    job_id TEXT NOT NULL REFERENCES job (id),
    seq BIGINT NOT NULL,
    decision_id TEXT NOT NULL,
    at TIMESTAMP NOT NULL,
    record_id TEXT NOT NULL REFERENCES record (id),
    fields TEXT NOT NULL,
    why_before TEXT NOT NULL,
    why_after TEXT NOT NULL,
    PRIMARY KEY (job_id, seq)
);
