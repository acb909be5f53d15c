CREATE TABLE calendar (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    zone TEXT NOT NULL,
    content TEXT NOT NULL,
    active BOOLEAN NOT NULL,
    version INTEGER NOT NULL,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL
);
CREATE UNIQUE INDEX calendar_by_name ON calendar (name);

-- Policies ask calendars.
CREATE TRIGGER calendar_added AFTER INSERT ON calendar BEGIN
    UPDATE setting SET value = hex(randomblob(16)) WHERE name = 'policy_epoch';
END;
CREATE TRIGGER calendar_changed AFTER UPDATE ON calendar BEGIN
    UPDATE setting SET value = hex(randomblob(16)) WHERE name = 'policy_epoch';
END;
CREATE TRIGGER calendar_removed AFTER DELETE ON calendar BEGIN
    UPDATE setting SET value = hex(randomblob(16)) WHERE name = 'policy_epoch';
END;
