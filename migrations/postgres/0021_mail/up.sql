-- In which language people are written to, and what time it is where they are.
ALTER TABLE user_account ADD COLUMN language TEXT COLLATE "C";
ALTER TABLE user_account ADD COLUMN zone TEXT COLLATE "C";
-- Who sent a message is found by their address, in whatever case it is written.
CREATE INDEX user_account_by_address ON user_account (lower(email));

-- How far mail has been made of the outbox.
INSERT INTO setting (name, value) VALUES ('mail_place', '') ON CONFLICT DO NOTHING;

CREATE TABLE mail_template (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    name TEXT COLLATE "C" NOT NULL,
    description TEXT COLLATE "C" NOT NULL,
    event TEXT COLLATE "C" NOT NULL,
    language TEXT COLLATE "C" NOT NULL,
    audience TEXT COLLATE "C" NOT NULL,
    subject TEXT COLLATE "C" NOT NULL,
    text_body TEXT COLLATE "C" NOT NULL,
    html_body TEXT COLLATE "C",
    active BOOLEAN NOT NULL,
    version INTEGER NOT NULL,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL
);
CREATE UNIQUE INDEX mail_template_by_name ON mail_template (name);

CREATE TABLE notification_preference (
    user_id TEXT COLLATE "C" NOT NULL PRIMARY KEY REFERENCES user_account (id),
    content TEXT COLLATE "C" NOT NULL,
    version INTEGER NOT NULL,
    updated_at TIMESTAMP NOT NULL
);

CREATE TABLE mail_message (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    kind TEXT COLLATE "C" NOT NULL,
    user_id TEXT COLLATE "C" NOT NULL REFERENCES user_account (id),
    record_id TEXT COLLATE "C" REFERENCES record (id),
    event_id TEXT COLLATE "C",
    event TEXT COLLATE "C" NOT NULL,
    happened_at TIMESTAMP NOT NULL,
    payload TEXT COLLATE "C" NOT NULL,
    parts TEXT COLLATE "C" NOT NULL,
    address TEXT COLLATE "C",
    subject TEXT COLLATE "C",
    text_body TEXT COLLATE "C",
    html_body TEXT COLLATE "C",
    template TEXT COLLATE "C",
    state TEXT COLLATE "C" NOT NULL,
    why TEXT COLLATE "C",
    attempts INTEGER NOT NULL,
    digest_at TIMESTAMP,
    digest_id TEXT COLLATE "C",
    next_at TIMESTAMP,
    claimed_by TEXT COLLATE "C",
    claimed_until TIMESTAMP,
    created_at TIMESTAMP NOT NULL,
    ended_at TIMESTAMP,
    replay_of TEXT COLLATE "C",
    replayed_at TIMESTAMP
);
-- Nobody is told of an event twice, however often it is read.
CREATE UNIQUE INDEX mail_message_once ON mail_message (user_id, event_id) WHERE replay_of IS NULL;
CREATE INDEX mail_message_due ON mail_message (next_at) WHERE state = 'pending';
CREATE INDEX mail_message_waiting ON mail_message (digest_at) WHERE state = 'waiting';
CREATE INDEX mail_message_by_digest ON mail_message (digest_id) WHERE digest_id IS NOT NULL;
CREATE INDEX mail_message_by_user ON mail_message (user_id, id);
CREATE INDEX mail_message_by_state ON mail_message (state, id);
CREATE INDEX mail_message_by_record ON mail_message (record_id, id);
CREATE INDEX mail_message_by_end ON mail_message (ended_at);

CREATE TABLE mail_attempt (
    message_id TEXT COLLATE "C" NOT NULL REFERENCES mail_message (id),
    number INTEGER NOT NULL,
    at TIMESTAMP NOT NULL,
    status INTEGER,
    milliseconds BIGINT NOT NULL,
    error TEXT COLLATE "C",
    PRIMARY KEY (message_id, number)
);

-- What came by mail: a message that comes again changes nothing.
CREATE TABLE mail_received (
    user_id TEXT COLLATE "C" NOT NULL REFERENCES user_account (id),
    message_id TEXT COLLATE "C" NOT NULL,
    record_id TEXT COLLATE "C" REFERENCES record (id),
    outcome TEXT COLLATE "C" NOT NULL,
    taken_by_id TEXT COLLATE "C" NOT NULL REFERENCES user_account (id),
    received_at TIMESTAMP NOT NULL,
    PRIMARY KEY (user_id, message_id)
);
CREATE INDEX mail_received_by_time ON mail_received (received_at);
