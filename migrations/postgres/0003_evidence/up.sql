CREATE TABLE audit_chain (
    id INTEGER NOT NULL PRIMARY KEY,
    last_seq BIGINT NOT NULL,
    last_hash TEXT COLLATE "C" NOT NULL
);
INSERT INTO audit_chain (id, last_seq, last_hash)
SELECT lane, 0, '' FROM generate_series(0, 7) AS lane;

CREATE TABLE audit (
    chain INTEGER NOT NULL,
    seq BIGINT NOT NULL,
    at TIMESTAMP NOT NULL,
    actor_id TEXT COLLATE "C",
    action TEXT COLLATE "C" NOT NULL,
    subject_kind TEXT COLLATE "C" NOT NULL,
    subject_id TEXT COLLATE "C" NOT NULL,
    subject_version INTEGER NOT NULL,
    via TEXT COLLATE "C" NOT NULL,
    request_id TEXT COLLATE "C" NOT NULL,
    reason TEXT COLLATE "C" NOT NULL,
    changes TEXT COLLATE "C" NOT NULL,
    previous_hash TEXT COLLATE "C" NOT NULL,
    hash TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (chain, seq)
);
CREATE INDEX audit_by_subject ON audit (subject_id, subject_version);

-- In the order of xid, seq: what was written by a transaction below all that still run is never preceded by anything new.
CREATE TABLE outbox (
    id TEXT COLLATE "C" NOT NULL UNIQUE,
    at TIMESTAMP NOT NULL,
    event TEXT COLLATE "C" NOT NULL,
    record_id TEXT COLLATE "C" NOT NULL REFERENCES record (id),
    payload TEXT COLLATE "C" NOT NULL,
    xid BIGINT NOT NULL DEFAULT (pg_current_xact_id()::text::bigint),
    seq BIGINT NOT NULL GENERATED ALWAYS AS IDENTITY,
    PRIMARY KEY (xid, seq)
);

CREATE TABLE idempotency (
    caller_id TEXT COLLATE "C" NOT NULL,
    route TEXT COLLATE "C" NOT NULL,
    key TEXT COLLATE "C" NOT NULL,
    request_hash TEXT COLLATE "C" NOT NULL,
    created_at TIMESTAMP NOT NULL,
    status INTEGER NOT NULL,
    headers TEXT COLLATE "C" NOT NULL,
    body BYTEA NOT NULL,
    PRIMARY KEY (caller_id, route, key)
);
CREATE INDEX idempotency_by_age ON idempotency (created_at);

CREATE TABLE setting (
    name TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    value TEXT COLLATE "C" NOT NULL
);
