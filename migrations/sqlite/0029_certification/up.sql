-- Campaigns in which those who answer for configuration items say whether what is known of them is right.
CREATE TABLE certification_campaign (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    filter TEXT NOT NULL,
    due_at TIMESTAMP NOT NULL,
    remind_at TIMESTAMP,
    items INTEGER NOT NULL,
    created_by_id TEXT NOT NULL REFERENCES user_account (id),
    created_at TIMESTAMP NOT NULL,
    ended_at TIMESTAMP
);

CREATE TABLE certification (
    campaign_id TEXT NOT NULL REFERENCES certification_campaign (id),
    record_id TEXT NOT NULL REFERENCES record (id),
    owner_id TEXT REFERENCES user_account (id),
    team_id TEXT REFERENCES team (id),
    outcome TEXT,
    comment TEXT NOT NULL,
    decided_by_id TEXT REFERENCES user_account (id),
    decided_at TIMESTAMP,
    PRIMARY KEY (campaign_id, record_id)
);
