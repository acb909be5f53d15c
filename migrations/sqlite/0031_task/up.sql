-- Tasks of records: what is to be done, in order, and what has to be done before.
CREATE TABLE task (
    id TEXT NOT NULL PRIMARY KEY,
    record_id TEXT NOT NULL REFERENCES record (id),
    position INTEGER NOT NULL,
    title TEXT NOT NULL,
    description TEXT NOT NULL,
    team_id TEXT REFERENCES team (id),
    assignee_id TEXT REFERENCES user_account (id),
    depends_on TEXT NOT NULL,
    state TEXT NOT NULL,
    created_at TIMESTAMP NOT NULL,
    done_at TIMESTAMP,
    done_by_id TEXT REFERENCES user_account (id)
);
CREATE INDEX task_of_record ON task (record_id, position, id);
