DROP TRIGGER record_stands_otherwise ON record;
DROP TRIGGER relation_type_counts ON relation_type;
DROP TRIGGER redundancy_group_counts ON redundancy_group;
DROP TRIGGER relation_counts ON relation;
DROP FUNCTION tell_graph_change;
DROP TABLE graph_change;
-- Deferred to the commit, so that the row of the epoch is locked last and for a moment only.
CREATE CONSTRAINT TRIGGER relation_type_counts AFTER INSERT OR UPDATE OR DELETE ON relation_type
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION raise_epoch('graph_epoch');
CREATE CONSTRAINT TRIGGER redundancy_group_counts AFTER INSERT OR UPDATE OR DELETE ON redundancy_group
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION raise_epoch('graph_epoch');
CREATE CONSTRAINT TRIGGER relation_counts AFTER INSERT OR UPDATE OR DELETE ON relation
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION raise_epoch('graph_epoch');
