-- Campaigns in which those who answer for configuration items say whether what is known of them is right.
CREATE TABLE certification_campaign (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    name TEXT COLLATE "C" NOT NULL,
    description TEXT COLLATE "C" NOT NULL,
    filter TEXT COLLATE "C" NOT NULL,
    due_at TIMESTAMP NOT NULL,
    remind_at TIMESTAMP,
    items INTEGER NOT NULL,
    created_by_id TEXT COLLATE "C" NOT NULL REFERENCES user_account (id),
    created_at TIMESTAMP NOT NULL,
    ended_at TIMESTAMP
);

CREATE TABLE certification (
    campaign_id TEXT COLLATE "C" NOT NULL REFERENCES certification_campaign (id),
    record_id TEXT COLLATE "C" NOT NULL REFERENCES record (id),
    owner_id TEXT COLLATE "C" REFERENCES user_account (id),
    team_id TEXT COLLATE "C" REFERENCES team (id),
    outcome TEXT COLLATE "C",
    comment TEXT COLLATE "C" NOT NULL,
    decided_by_id TEXT COLLATE "C" REFERENCES user_account (id),
    decided_at TIMESTAMP,
    PRIMARY KEY (campaign_id, record_id)
);
