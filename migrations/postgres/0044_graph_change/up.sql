-- Of which records the dependencies have changed, or the state, so that a node that holds the graph reads theirs alone anew. A change
-- without records is one of the types of relations: all is read. Ten thousand are kept; who has seen none of them reads all.
CREATE TABLE graph_change (
    seq BIGINT NOT NULL GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    epoch TEXT COLLATE "C" NOT NULL,
    from_id TEXT COLLATE "C",
    to_id TEXT COLLATE "C"
);
CREATE INDEX graph_change_by_epoch ON graph_change (epoch, seq);
CREATE FUNCTION tell_graph_change() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    IF TG_TABLE_NAME = 'record' THEN
        -- Of two that step and relate a record at once, the second sees the first.
        PERFORM 1 FROM setting WHERE name = 'graph_epoch' FOR UPDATE;
        IF NOT EXISTS (SELECT FROM relation WHERE from_id = NEW.id OR to_id = NEW.id) THEN
            RETURN NULL;
        END IF;
    END IF;
    -- Once in a transaction, however much it changes. The row of the epoch stays locked until it ends, so that changes are numbered in
    -- the order in which others see them.
    UPDATE setting SET value = gen_random_uuid()::text WHERE name = 'graph_epoch' AND xmin <> pg_current_xact_id()::xid;
    IF FOUND THEN
        DELETE FROM graph_change WHERE seq <= (SELECT max(seq) FROM graph_change) - 10000;
    END IF;
    INSERT INTO graph_change (epoch, from_id, to_id)
        SELECT DISTINCT setting.value,
            CASE TG_TABLE_NAME WHEN 'relation' THEN changed.line ->> 'from_id' WHEN 'redundancy_group' THEN changed.line ->> 'record_id'
                WHEN 'record' THEN changed.line ->> 'id' END,
            changed.line ->> 'to_id'
        FROM setting, unnest(ARRAY[to_jsonb(OLD), to_jsonb(NEW)]) AS changed (line)
        WHERE setting.name = 'graph_epoch' AND changed.line IS NOT NULL;
    RETURN NULL;
END $$;

DROP TRIGGER relation_type_counts ON relation_type;
DROP TRIGGER redundancy_group_counts ON redundancy_group;
DROP TRIGGER relation_counts ON relation;
CREATE CONSTRAINT TRIGGER relation_type_counts AFTER INSERT OR UPDATE OR DELETE ON relation_type
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION tell_graph_change();
CREATE CONSTRAINT TRIGGER redundancy_group_counts AFTER INSERT OR UPDATE OR DELETE ON redundancy_group
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION tell_graph_change();
CREATE CONSTRAINT TRIGGER relation_counts AFTER INSERT OR UPDATE OR DELETE ON relation
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION tell_graph_change();
CREATE CONSTRAINT TRIGGER record_stands_otherwise AFTER UPDATE ON record
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.state <> OLD.state AND NEW.kind IN ('configuration_item', 'service')) EXECUTE FUNCTION tell_graph_change();
