CREATE TABLE configuration_item (
    record_id TEXT NOT NULL PRIMARY KEY REFERENCES record (id),
    class TEXT NOT NULL,
    environment TEXT NOT NULL,
    criticality TEXT NOT NULL,
    owner_id TEXT REFERENCES user_account (id),
    support_team_id TEXT REFERENCES team (id)
);
CREATE INDEX configuration_item_by_class ON configuration_item (class);
CREATE INDEX configuration_item_by_support_team ON configuration_item (support_team_id);
