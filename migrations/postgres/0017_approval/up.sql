-- A request that others approve of a record as it is. `covers` holds what it is about: fields of the record and their values.
CREATE TABLE approval (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    record_id TEXT COLLATE "C" NOT NULL REFERENCES record (id),
    title TEXT COLLATE "C" NOT NULL,
    description TEXT COLLATE "C" NOT NULL,
    state TEXT COLLATE "C" NOT NULL,
    reason TEXT COLLATE "C" NOT NULL,
    covers TEXT COLLATE "C" NOT NULL,
    asked_by_id TEXT COLLATE "C" NOT NULL REFERENCES user_account (id),
    replaces_id TEXT COLLATE "C" REFERENCES approval (id),
    version INTEGER NOT NULL,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL,
    ended_at TIMESTAMP
);
CREATE INDEX approval_by_record ON approval (record_id, id);
CREATE INDEX approval_by_state ON approval (state, id);
CREATE INDEX approval_by_asker ON approval (asked_by_id);

CREATE TABLE approval_stage (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    approval_id TEXT COLLATE "C" NOT NULL REFERENCES approval (id),
    position INTEGER NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    approvers TEXT COLLATE "C" NOT NULL,
    quorum TEXT COLLATE "C" NOT NULL,
    quorum_number INTEGER,
    due_after TEXT COLLATE "C",
    on_due TEXT COLLATE "C" NOT NULL,
    state TEXT COLLATE "C" NOT NULL,
    reason TEXT COLLATE "C" NOT NULL,
    opened_at TIMESTAMP,
    due_at TIMESTAMP,
    ended_at TIMESTAMP
);
CREATE UNIQUE INDEX approval_stage_in_order ON approval_stage (approval_id, position);

-- Who is asked in a stage that has been opened: each person once, however often they were named.
CREATE TABLE approval_voter (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    stage_id TEXT COLLATE "C" NOT NULL REFERENCES approval_stage (id),
    approval_id TEXT COLLATE "C" NOT NULL REFERENCES approval (id),
    user_id TEXT COLLATE "C" NOT NULL REFERENCES user_account (id),
    because TEXT COLLATE "C" NOT NULL,
    excluded TEXT COLLATE "C",
    vote TEXT COLLATE "C",
    comment TEXT COLLATE "C" NOT NULL,
    voted_at TIMESTAMP,
    voted_by_id TEXT COLLATE "C" REFERENCES user_account (id),
    via TEXT COLLATE "C"
);
CREATE UNIQUE INDEX approval_voter_once ON approval_voter (stage_id, user_id);
CREATE INDEX approval_voter_by_approval ON approval_voter (approval_id);
CREATE INDEX approval_voter_by_user ON approval_voter (user_id, approval_id);
CREATE INDEX approval_voter_by_hand ON approval_voter (voted_by_id, approval_id);

-- Links by which a voter decides without signing in. The token itself is nowhere.
CREATE TABLE approval_link (
    digest TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    voter_id TEXT COLLATE "C" NOT NULL REFERENCES approval_voter (id),
    created_by_id TEXT COLLATE "C" NOT NULL REFERENCES user_account (id),
    created_at TIMESTAMP NOT NULL,
    expires_at TIMESTAMP NOT NULL,
    used_at TIMESTAMP
);
CREATE INDEX approval_link_by_end ON approval_link (expires_at);

-- Who decides in the name of whom, and when.
CREATE TABLE delegation (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    from_user_id TEXT COLLATE "C" NOT NULL REFERENCES user_account (id),
    to_user_id TEXT COLLATE "C" NOT NULL REFERENCES user_account (id),
    begins_at TIMESTAMP NOT NULL,
    ends_at TIMESTAMP NOT NULL,
    reason TEXT COLLATE "C" NOT NULL,
    active BOOLEAN NOT NULL,
    created_by_id TEXT COLLATE "C" NOT NULL REFERENCES user_account (id),
    version INTEGER NOT NULL,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL
);
CREATE INDEX delegation_by_from ON delegation (from_user_id, id);
CREATE INDEX delegation_by_to ON delegation (to_user_id, ends_at);
