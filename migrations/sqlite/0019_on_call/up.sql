-- Who of a team is called when: shifts that go round, and what was agreed otherwise.
CREATE TABLE on_call_schedule (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    team_id TEXT NOT NULL REFERENCES team (id),
    zone TEXT NOT NULL,
    layers TEXT NOT NULL,
    active BOOLEAN NOT NULL,
    version INTEGER NOT NULL,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL
);
CREATE UNIQUE INDEX on_call_schedule_by_name ON on_call_schedule (name);
CREATE INDEX on_call_schedule_by_team ON on_call_schedule (team_id, name);

CREATE TABLE on_call_override (
    id TEXT NOT NULL PRIMARY KEY,
    schedule_id TEXT NOT NULL REFERENCES on_call_schedule (id),
    user_id TEXT NOT NULL REFERENCES user_account (id),
    from_at TIMESTAMP NOT NULL,
    until_at TIMESTAMP NOT NULL,
    reason TEXT NOT NULL,
    created_by TEXT NOT NULL REFERENCES user_account (id),
    created_at TIMESTAMP NOT NULL
);
CREATE INDEX on_call_override_by_schedule ON on_call_override (schedule_id, until_at);

-- Policies ask who is on call.
CREATE TRIGGER on_call_schedule_added AFTER INSERT ON on_call_schedule BEGIN
    UPDATE setting SET value = hex(randomblob(16)) WHERE name = 'policy_epoch';
END;
CREATE TRIGGER on_call_schedule_changed AFTER UPDATE ON on_call_schedule BEGIN
    UPDATE setting SET value = hex(randomblob(16)) WHERE name = 'policy_epoch';
END;
CREATE TRIGGER on_call_override_added AFTER INSERT ON on_call_override BEGIN
    UPDATE setting SET value = hex(randomblob(16)) WHERE name = 'policy_epoch';
END;
CREATE TRIGGER on_call_override_removed AFTER DELETE ON on_call_override BEGIN
    UPDATE setting SET value = hex(randomblob(16)) WHERE name = 'policy_epoch';
END;
