-- Tasks of records: what is to be done, in order, and what has to be done before.
CREATE TABLE task (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    record_id TEXT COLLATE "C" NOT NULL REFERENCES record (id),
    position INTEGER NOT NULL,
    title TEXT COLLATE "C" NOT NULL,
    description TEXT COLLATE "C" NOT NULL,
    team_id TEXT COLLATE "C" REFERENCES team (id),
    assignee_id TEXT COLLATE "C" REFERENCES user_account (id),
    depends_on TEXT COLLATE "C" NOT NULL,
    state TEXT COLLATE "C" NOT NULL,
    created_at TIMESTAMP NOT NULL,
    done_at TIMESTAMP,
    done_by_id TEXT COLLATE "C" REFERENCES user_account (id)
);
CREATE INDEX task_of_record ON task (record_id, position, id);
