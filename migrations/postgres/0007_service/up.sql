CREATE TABLE service (
    record_id TEXT COLLATE "C" NOT NULL PRIMARY KEY REFERENCES record (id),
    owner_id TEXT COLLATE "C" REFERENCES user_account (id),
    support_team_id TEXT COLLATE "C" REFERENCES team (id),
    criticality TEXT COLLATE "C" NOT NULL
);
CREATE INDEX service_by_support_team ON service (support_team_id);
