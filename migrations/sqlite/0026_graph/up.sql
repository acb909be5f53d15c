-- What depends on what: relations of records, their types, and groups of which some are enough.
CREATE TABLE relation_type (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    label TEXT NOT NULL,
    inverse TEXT NOT NULL,
    inverse_label TEXT NOT NULL,
    description TEXT NOT NULL,
    impact TEXT NOT NULL,
    active BOOLEAN NOT NULL,
    version INTEGER NOT NULL,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL
);
CREATE UNIQUE INDEX relation_type_by_name ON relation_type (name);

CREATE TABLE redundancy_group (
    id TEXT NOT NULL PRIMARY KEY,
    record_id TEXT NOT NULL REFERENCES record (id),
    name TEXT NOT NULL,
    min_up INTEGER NOT NULL
);
CREATE UNIQUE INDEX redundancy_group_by_name ON redundancy_group (record_id, name);

CREATE TABLE relation (
    id TEXT NOT NULL PRIMARY KEY,
    relation_type TEXT NOT NULL,
    from_kind TEXT NOT NULL,
    from_id TEXT NOT NULL REFERENCES record (id),
    to_kind TEXT NOT NULL,
    to_id TEXT NOT NULL REFERENCES record (id),
    group_id TEXT REFERENCES redundancy_group (id),
    source TEXT NOT NULL,
    created_by_id TEXT NOT NULL REFERENCES user_account (id),
    created_at TIMESTAMP NOT NULL
);
CREATE UNIQUE INDEX relation_once ON relation (from_id, relation_type, to_id);
CREATE INDEX relation_by_to ON relation (to_id);
CREATE INDEX relation_by_group ON relation (group_id);

-- By which every node notices that the graph that it holds is out of date.
INSERT INTO setting (name, value) VALUES ('graph_epoch', '') ON CONFLICT DO NOTHING;
CREATE TRIGGER relation_type_added AFTER INSERT ON relation_type BEGIN
    UPDATE setting SET value = hex(randomblob(16)) WHERE name = 'graph_epoch';
END;
CREATE TRIGGER relation_type_changed AFTER UPDATE ON relation_type BEGIN
    UPDATE setting SET value = hex(randomblob(16)) WHERE name = 'graph_epoch';
END;
CREATE TRIGGER relation_type_removed AFTER DELETE ON relation_type BEGIN
    UPDATE setting SET value = hex(randomblob(16)) WHERE name = 'graph_epoch';
END;
CREATE TRIGGER redundancy_group_added AFTER INSERT ON redundancy_group BEGIN
    UPDATE setting SET value = hex(randomblob(16)) WHERE name = 'graph_epoch';
END;
CREATE TRIGGER redundancy_group_changed AFTER UPDATE ON redundancy_group BEGIN
    UPDATE setting SET value = hex(randomblob(16)) WHERE name = 'graph_epoch';
END;
CREATE TRIGGER redundancy_group_removed AFTER DELETE ON redundancy_group BEGIN
    UPDATE setting SET value = hex(randomblob(16)) WHERE name = 'graph_epoch';
END;
CREATE TRIGGER relation_added AFTER INSERT ON relation BEGIN
    UPDATE setting SET value = hex(randomblob(16)) WHERE name = 'graph_epoch';
END;
CREATE TRIGGER relation_changed AFTER UPDATE ON relation BEGIN
    UPDATE setting SET value = hex(randomblob(16)) WHERE name = 'graph_epoch';
END;
CREATE TRIGGER relation_removed AFTER DELETE ON relation BEGIN
    UPDATE setting SET value = hex(randomblob(16)) WHERE name = 'graph_epoch';
END;
