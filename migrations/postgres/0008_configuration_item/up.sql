CREATE TABLE configuration_item (
    record_id TEXT COLLATE "C" NOT NULL PRIMARY KEY REFERENCES record (id),
    class TEXT COLLATE "C" NOT NULL,
    environment TEXT COLLATE "C" NOT NULL,
    criticality TEXT COLLATE "C" NOT NULL,
    owner_id TEXT COLLATE "C" REFERENCES user_account (id),
    support_team_id TEXT COLLATE "C" REFERENCES team (id)
);
CREATE INDEX configuration_item_by_class ON configuration_item (class);
CREATE INDEX configuration_item_by_support_team ON configuration_item (support_team_id);
