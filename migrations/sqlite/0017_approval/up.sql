-- A request that others approve of a record as it is. `covers` holds what it is about: fields of the record and their values.
CREATE TABLE approval (
    id TEXT NOT NULL PRIMARY KEY,
    record_id TEXT NOT NULL REFERENCES record (id),
    title TEXT NOT NULL,
    description TEXT NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL,
    covers TEXT NOT NULL,
    asked_by_id TEXT NOT NULL REFERENCES user_account (id),
    replaces_id TEXT REFERENCES approval (id),
    version INTEGER NOT NULL,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL,
    ended_at TIMESTAMP
);
CREATE INDEX approval_by_record ON approval (record_id, id);
CREATE INDEX approval_by_state ON approval (state, id);
CREATE INDEX approval_by_asker ON approval (asked_by_id);

CREATE TABLE approval_stage (
    id TEXT NOT NULL PRIMARY KEY,
    approval_id TEXT NOT NULL REFERENCES approval (id),
    position INTEGER NOT NULL,
    name TEXT NOT NULL,
    approvers TEXT NOT NULL,
    quorum TEXT NOT NULL,
    quorum_number INTEGER,
    due_after TEXT,
    on_due TEXT NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL,
    opened_at TIMESTAMP,
    due_at TIMESTAMP,
    ended_at TIMESTAMP
);
CREATE UNIQUE INDEX approval_stage_in_order ON approval_stage (approval_id, position);

-- Who is asked in a stage that has been opened: each person once, however often they were named.
CREATE TABLE approval_voter (
    id TEXT NOT NULL PRIMARY KEY,
    stage_id TEXT NOT NULL REFERENCES approval_stage (id),
    approval_id TEXT NOT NULL REFERENCES approval (id),
    user_id TEXT NOT NULL REFERENCES user_account (id),
    because TEXT NOT NULL,
    excluded TEXT,
    vote TEXT,
    comment TEXT NOT NULL,
    voted_at TIMESTAMP,
    voted_by_id TEXT REFERENCES user_account (id),
    via TEXT
);
CREATE UNIQUE INDEX approval_voter_once ON approval_voter (stage_id, user_id);
CREATE INDEX approval_voter_by_approval ON approval_voter (approval_id);
CREATE INDEX approval_voter_by_user ON approval_voter (user_id, approval_id);
CREATE INDEX approval_voter_by_hand ON approval_voter (voted_by_id, approval_id);

-- Links by which a voter decides without signing in. The token itself is nowhere.
CREATE TABLE approval_link (
    digest TEXT NOT NULL PRIMARY KEY,
    voter_id TEXT NOT NULL REFERENCES approval_voter (id),
    created_by_id TEXT NOT NULL REFERENCES user_account (id),
    created_at TIMESTAMP NOT NULL,
    expires_at TIMESTAMP NOT NULL,
    used_at TIMESTAMP
);
CREATE INDEX approval_link_by_end ON approval_link (expires_at);

-- Who decides in the name of whom, and when.
CREATE TABLE delegation (
    id TEXT NOT NULL PRIMARY KEY,
    from_user_id TEXT NOT NULL REFERENCES user_account (id),
    to_user_id TEXT NOT NULL REFERENCES user_account (id),
    begins_at TIMESTAMP NOT NULL,
    ends_at TIMESTAMP NOT NULL,
    reason TEXT NOT NULL,
    active BOOLEAN NOT NULL,
    created_by_id TEXT NOT NULL REFERENCES user_account (id),
    version INTEGER NOT NULL,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL
);
CREATE INDEX delegation_by_from ON delegation (from_user_id, id);
CREATE INDEX delegation_by_to ON delegation (to_user_id, ends_at);
