-- Meetings of change advisory boards.
CREATE TABLE cab_meeting (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    name TEXT COLLATE "C" NOT NULL,
    starts_at TIMESTAMP NOT NULL,
    ends_at TIMESTAMP NOT NULL,
    place TEXT COLLATE "C" NOT NULL,
    chair_id TEXT COLLATE "C" NOT NULL REFERENCES user_account (id),
    team_id TEXT COLLATE "C" REFERENCES team (id),
    state TEXT COLLATE "C" NOT NULL,
    attendees TEXT COLLATE "C" NOT NULL,
    minutes TEXT COLLATE "C" NOT NULL,
    version INTEGER NOT NULL,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL
);
CREATE INDEX cab_meeting_by_start ON cab_meeting (starts_at, id);

CREATE TABLE cab_agenda_item (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    meeting_id TEXT COLLATE "C" NOT NULL REFERENCES cab_meeting (id),
    change_id TEXT COLLATE "C" NOT NULL REFERENCES record (id),
    position INTEGER NOT NULL,
    reason TEXT COLLATE "C" NOT NULL,
    decision TEXT COLLATE "C",
    minutes TEXT COLLATE "C" NOT NULL,
    decided_at TIMESTAMP,
    UNIQUE (meeting_id, change_id)
);
CREATE INDEX cab_agenda_item_of_change ON cab_agenda_item (change_id);
