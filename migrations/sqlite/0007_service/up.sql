CREATE TABLE service (
    record_id TEXT NOT NULL PRIMARY KEY REFERENCES record (id),
    owner_id TEXT REFERENCES user_account (id),
    support_team_id TEXT REFERENCES team (id),
    criticality TEXT NOT NULL
);
CREATE INDEX service_by_support_team ON service (support_team_id);
