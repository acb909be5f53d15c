-- What depends on what: relations of records, their types, and groups of which some are enough.
CREATE TABLE relation_type (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    name TEXT COLLATE "C" NOT NULL,
    label TEXT COLLATE "C" NOT NULL,
    inverse TEXT COLLATE "C" NOT NULL,
    inverse_label TEXT COLLATE "C" NOT NULL,
    description TEXT COLLATE "C" NOT NULL,
    impact TEXT COLLATE "C" NOT NULL,
    active BOOLEAN NOT NULL,
    version INTEGER NOT NULL,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL
);
CREATE UNIQUE INDEX relation_type_by_name ON relation_type (name);

CREATE TABLE redundancy_group (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    record_id TEXT COLLATE "C" NOT NULL REFERENCES record (id),
    name TEXT COLLATE "C" NOT NULL,
    min_up INTEGER NOT NULL
);
CREATE UNIQUE INDEX redundancy_group_by_name ON redundancy_group (record_id, name);

CREATE TABLE relation (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    relation_type TEXT COLLATE "C" NOT NULL,
    from_kind TEXT COLLATE "C" NOT NULL,
    from_id TEXT COLLATE "C" NOT NULL REFERENCES record (id),
    to_kind TEXT COLLATE "C" NOT NULL,
    to_id TEXT COLLATE "C" NOT NULL REFERENCES record (id),
    group_id TEXT COLLATE "C" REFERENCES redundancy_group (id),
    source TEXT COLLATE "C" NOT NULL,
    created_by_id TEXT COLLATE "C" NOT NULL REFERENCES user_account (id),
    created_at TIMESTAMP NOT NULL
);
CREATE UNIQUE INDEX relation_once ON relation (from_id, relation_type, to_id);
CREATE INDEX relation_by_to ON relation (to_id);
CREATE INDEX relation_by_group ON relation (group_id);

-- By which every node notices that the graph that it holds is out of date.
INSERT INTO setting (name, value) VALUES ('graph_epoch', '') ON CONFLICT DO NOTHING;
-- Deferred to the commit, so that the row of the epoch is locked last and for a moment only.
CREATE CONSTRAINT TRIGGER relation_type_counts AFTER INSERT OR UPDATE OR DELETE ON relation_type
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION raise_epoch('graph_epoch');
CREATE CONSTRAINT TRIGGER redundancy_group_counts AFTER INSERT OR UPDATE OR DELETE ON redundancy_group
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION raise_epoch('graph_epoch');
CREATE CONSTRAINT TRIGGER relation_counts AFTER INSERT OR UPDATE OR DELETE ON relation
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION raise_epoch('graph_epoch');
