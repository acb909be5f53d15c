CREATE TABLE calendar (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    name TEXT COLLATE "C" NOT NULL,
    description TEXT COLLATE "C" NOT NULL,
    zone TEXT COLLATE "C" NOT NULL,
    content TEXT COLLATE "C" NOT NULL,
    active BOOLEAN NOT NULL,
    version INTEGER NOT NULL,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL
);
CREATE UNIQUE INDEX calendar_by_name ON calendar (name);

-- Policies ask calendars.
CREATE TRIGGER calendar_counts AFTER INSERT OR UPDATE OR DELETE ON calendar
    FOR EACH STATEMENT EXECUTE FUNCTION raise_epoch('policy_epoch');
