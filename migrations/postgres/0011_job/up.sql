-- Where a run stands among those of one decision: 0 is the first policy that was asked.
ALTER TABLE decision ADD COLUMN place INTEGER NOT NULL DEFAULT 0;
CREATE INDEX decision_by_kind ON decision (kind, place, at, id);

CREATE TABLE job (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    kind TEXT COLLATE "C" NOT NULL,
    subject TEXT COLLATE "C" NOT NULL,
    state TEXT COLLATE "C" NOT NULL,
    asked TEXT COLLATE "C" NOT NULL,
    done BIGINT NOT NULL,
    total BIGINT NOT NULL,
    progress TEXT COLLATE "C" NOT NULL,
    error TEXT COLLATE "C",
    stop_asked BOOLEAN NOT NULL,
    node TEXT COLLATE "C",
    beat_at TIMESTAMP,
    created_by TEXT COLLATE "C" NOT NULL,
    created_at TIMESTAMP NOT NULL,
    started_at TIMESTAMP,
    ended_at TIMESTAMP
);
CREATE INDEX job_to_do ON job (created_at, id) WHERE ended_at IS NULL;
CREATE INDEX job_by_kind ON job (kind, id);
-- What it is about: a policy and a version, as `policy/3`.
CREATE INDEX job_by_subject ON job (subject, id);

CREATE TABLE back_test_difference (
    job_id TEXT COLLATE "C" NOT NULL REFERENCES job (id),
    seq BIGINT NOT NULL,
    decision_id TEXT COLLATE "C" NOT NULL,
    at TIMESTAMP NOT NULL,
    record_id TEXT COLLATE "C" NOT NULL REFERENCES record (id),
    fields TEXT COLLATE "C" NOT NULL,
    why_before TEXT COLLATE "C" NOT NULL,
    why_after TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (job_id, seq)
);
