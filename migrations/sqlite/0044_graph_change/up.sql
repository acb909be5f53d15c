-- Of which records the dependencies have changed, or the state, so that a node that holds the graph reads theirs alone anew. A change
-- without records is one of the types of relations: all is read. Ten thousand are kept; who has seen none of them reads all.
CREATE TABLE graph_change (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    epoch TEXT NOT NULL DEFAULT (hex(randomblob(16))),
    from_id TEXT,
    to_id TEXT
);
CREATE INDEX graph_change_by_epoch ON graph_change (epoch, seq);
CREATE TRIGGER graph_change_counts AFTER INSERT ON graph_change BEGIN
    UPDATE setting SET value = NEW.epoch WHERE name = 'graph_epoch';
    DELETE FROM graph_change WHERE seq <= NEW.seq - 10000;
END;

DROP TRIGGER relation_type_added;
DROP TRIGGER relation_type_changed;
DROP TRIGGER relation_type_removed;
DROP TRIGGER redundancy_group_added;
DROP TRIGGER redundancy_group_changed;
DROP TRIGGER redundancy_group_removed;
DROP TRIGGER relation_added;
DROP TRIGGER relation_changed;
DROP TRIGGER relation_removed;
CREATE TRIGGER relation_type_added AFTER INSERT ON relation_type BEGIN
    INSERT INTO graph_change (from_id) VALUES (NULL);
END;
CREATE TRIGGER relation_type_changed AFTER UPDATE ON relation_type BEGIN
    INSERT INTO graph_change (from_id) VALUES (NULL);
END;
CREATE TRIGGER relation_type_removed AFTER DELETE ON relation_type BEGIN
    INSERT INTO graph_change (from_id) VALUES (NULL);
END;
CREATE TRIGGER redundancy_group_added AFTER INSERT ON redundancy_group BEGIN
    INSERT INTO graph_change (from_id) VALUES (NEW.record_id);
END;
CREATE TRIGGER redundancy_group_changed AFTER UPDATE ON redundancy_group BEGIN
    INSERT INTO graph_change (from_id, to_id) VALUES (OLD.record_id, NEW.record_id);
END;
CREATE TRIGGER redundancy_group_removed AFTER DELETE ON redundancy_group BEGIN
    INSERT INTO graph_change (from_id) VALUES (OLD.record_id);
END;
CREATE TRIGGER relation_added AFTER INSERT ON relation BEGIN
    INSERT INTO graph_change (from_id, to_id) VALUES (NEW.from_id, NEW.to_id);
END;
CREATE TRIGGER relation_changed AFTER UPDATE ON relation BEGIN
    INSERT INTO graph_change (from_id, to_id) VALUES (OLD.from_id, OLD.to_id), (NEW.from_id, NEW.to_id);
END;
CREATE TRIGGER relation_removed AFTER DELETE ON relation BEGIN
    INSERT INTO graph_change (from_id, to_id) VALUES (OLD.from_id, OLD.to_id);
END;
CREATE TRIGGER record_stands_otherwise AFTER UPDATE OF state ON record
    WHEN NEW.state <> OLD.state
        AND (EXISTS (SELECT 1 FROM relation WHERE from_id = NEW.id) OR EXISTS (SELECT 1 FROM relation WHERE to_id = NEW.id)) BEGIN
    INSERT INTO graph_change (from_id) VALUES (NEW.id);
END;
