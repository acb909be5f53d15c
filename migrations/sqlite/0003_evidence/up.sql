CREATE TABLE audit_chain (
    id INTEGER NOT NULL PRIMARY KEY,
    last_seq BIGINT NOT NULL,
    last_hash TEXT NOT NULL
);
INSERT INTO audit_chain (id, last_seq, last_hash) VALUES (0, 0, '');

CREATE TABLE audit (
    chain INTEGER NOT NULL,
    seq BIGINT NOT NULL,
    at TIMESTAMP NOT NULL,
    actor_id TEXT,
    action TEXT NOT NULL,
    subject_kind TEXT NOT NULL,
    subject_id TEXT NOT NULL,
    subject_version INTEGER NOT NULL,
    via TEXT NOT NULL,
    request_id TEXT NOT NULL,
    reason TEXT NOT NULL,
    changes TEXT NOT NULL,
    previous_hash TEXT NOT NULL,
    hash TEXT NOT NULL,
    PRIMARY KEY (chain, seq)
);
CREATE INDEX audit_by_subject ON audit (subject_id, subject_version);

-- In the order of seq, which is that of the commits: there is one writer.
CREATE TABLE outbox (
    id TEXT NOT NULL UNIQUE,
    at TIMESTAMP NOT NULL,
    event TEXT NOT NULL,
    record_id TEXT NOT NULL REFERENCES record (id),
    payload TEXT NOT NULL,
    xid BIGINT NOT NULL DEFAULT 0,
    seq INTEGER PRIMARY KEY AUTOINCREMENT
);

CREATE TABLE idempotency (
    caller_id TEXT NOT NULL,
    route TEXT NOT NULL,
    key TEXT NOT NULL,
    request_hash TEXT NOT NULL,
    created_at TIMESTAMP NOT NULL,
    status INTEGER NOT NULL,
    headers TEXT NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (caller_id, route, key)
);
CREATE INDEX idempotency_by_age ON idempotency (created_at);

CREATE TABLE setting (
    name TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
);
