-- Of which records the dependencies have changed, so that a node that holds the graph reads theirs alone anew. A change without records is
-- one of the types of relations: all is read. Ten thousand are kept; who has seen none of them reads all.
CREATE TABLE graph_change (
    id BIGINT NOT NULL PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    epoch TEXT COLLATE "C" NOT NULL,
    from_id TEXT COLLATE "C",
    to_id TEXT COLLATE "C"
);
CREATE INDEX graph_change_by_epoch ON graph_change (epoch, id);
CREATE FUNCTION tell_graph_change() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    -- Once in a transaction, however much it changes. The row of the epoch stays locked until it ends, so that changes are numbered in
    -- the order in which others see them.
    UPDATE setting SET value = gen_random_uuid()::text WHERE name = 'graph_epoch' AND xmin <> pg_current_xact_id()::xid;
    IF FOUND THEN
        DELETE FROM graph_change WHERE id <= (SELECT max(id) FROM graph_change) - 10000;
    END IF;
    INSERT INTO graph_change (epoch, from_id, to_id)
        SELECT DISTINCT setting.value, coalesce(changed.line ->> 'from_id', changed.line ->> 'record_id'), changed.line ->> 'to_id'
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
