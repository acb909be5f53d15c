CREATE TABLE webhook (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    url TEXT NOT NULL,
    events TEXT NOT NULL,
    filter TEXT,
    owner_id TEXT NOT NULL REFERENCES user_account (id),
    own_changes BOOLEAN NOT NULL,
    secret TEXT NOT NULL,
    previous_secret TEXT,
    previous_until TIMESTAMP,
    active BOOLEAN NOT NULL,
    disabled_at TIMESTAMP,
    disabled_why TEXT,
    dead_in_a_row INTEGER NOT NULL,
    failing_since TIMESTAMP,
    -- How far it has read in the outbox.
    cursor_xid BIGINT NOT NULL,
    cursor_seq BIGINT NOT NULL,
    version INTEGER NOT NULL,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL
);
CREATE UNIQUE INDEX webhook_by_name ON webhook (name);

CREATE TABLE webhook_delivery (
    id TEXT NOT NULL PRIMARY KEY,
    webhook_id TEXT NOT NULL REFERENCES webhook (id),
    event_id TEXT,
    event TEXT NOT NULL,
    record_id TEXT REFERENCES record (id),
    happened_at TIMESTAMP NOT NULL,
    payload TEXT NOT NULL,
    body TEXT,
    state TEXT NOT NULL,
    why TEXT,
    attempts INTEGER NOT NULL,
    next_at TIMESTAMP,
    claimed_by TEXT,
    claimed_until TIMESTAMP,
    created_at TIMESTAMP NOT NULL,
    ended_at TIMESTAMP,
    replay_of TEXT,
    replayed_at TIMESTAMP
);
-- An event makes one message for each webhook, however often it is read.
CREATE UNIQUE INDEX webhook_delivery_once ON webhook_delivery (webhook_id, event_id) WHERE replay_of IS NULL;
CREATE INDEX webhook_delivery_due ON webhook_delivery (webhook_id, next_at) WHERE state = 'pending';
CREATE INDEX webhook_delivery_by_webhook ON webhook_delivery (webhook_id, id);
CREATE INDEX webhook_delivery_by_state ON webhook_delivery (webhook_id, state, id);
CREATE INDEX webhook_delivery_by_record ON webhook_delivery (record_id, id);
CREATE INDEX webhook_delivery_by_end ON webhook_delivery (ended_at);

CREATE TABLE webhook_attempt (
    delivery_id TEXT NOT NULL REFERENCES webhook_delivery (id),
    number INTEGER NOT NULL,
    webhook_id TEXT NOT NULL,
    at TIMESTAMP NOT NULL,
    status INTEGER,
    milliseconds BIGINT NOT NULL,
    error TEXT,
    answer TEXT,
    PRIMARY KEY (delivery_id, number)
);
CREATE INDEX webhook_attempt_by_webhook ON webhook_attempt (webhook_id, at);
