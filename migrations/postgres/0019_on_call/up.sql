-- Who of a team is called when: shifts that go round, and what was agreed otherwise.
CREATE TABLE on_call_schedule (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    name TEXT COLLATE "C" NOT NULL,
    description TEXT COLLATE "C" NOT NULL,
    team_id TEXT COLLATE "C" NOT NULL REFERENCES team (id),
    zone TEXT COLLATE "C" NOT NULL,
    layers TEXT COLLATE "C" NOT NULL,
    active BOOLEAN NOT NULL,
    version INTEGER NOT NULL,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL
);
CREATE UNIQUE INDEX on_call_schedule_by_name ON on_call_schedule (name);
CREATE INDEX on_call_schedule_by_team ON on_call_schedule (team_id, name);

CREATE TABLE on_call_override (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    schedule_id TEXT COLLATE "C" NOT NULL REFERENCES on_call_schedule (id),
    user_id TEXT COLLATE "C" NOT NULL REFERENCES user_account (id),
    from_at TIMESTAMP NOT NULL,
    until_at TIMESTAMP NOT NULL,
    reason TEXT COLLATE "C" NOT NULL,
    created_by TEXT COLLATE "C" NOT NULL REFERENCES user_account (id),
    created_at TIMESTAMP NOT NULL
);
CREATE INDEX on_call_override_by_schedule ON on_call_override (schedule_id, until_at);

-- Policies ask who is on call.
CREATE TRIGGER on_call_schedule_counts AFTER INSERT OR UPDATE OR DELETE ON on_call_schedule
    FOR EACH STATEMENT EXECUTE FUNCTION raise_epoch('policy_epoch');
CREATE TRIGGER on_call_override_counts AFTER INSERT OR UPDATE OR DELETE ON on_call_override
    FOR EACH STATEMENT EXECUTE FUNCTION raise_epoch('policy_epoch');
