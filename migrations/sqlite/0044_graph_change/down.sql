DROP TRIGGER record_stands_otherwise;
DROP TRIGGER relation_type_added;
DROP TRIGGER relation_type_changed;
DROP TRIGGER relation_type_removed;
DROP TRIGGER redundancy_group_added;
DROP TRIGGER redundancy_group_changed;
DROP TRIGGER redundancy_group_removed;
DROP TRIGGER relation_added;
DROP TRIGGER relation_changed;
DROP TRIGGER relation_removed;
DROP TABLE graph_change;
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
