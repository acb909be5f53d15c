-- Epochs, by which every node notices that what it remembers is out of date: `standing_epoch` of what callers may do and see,
-- `policy_epoch` of what policies are asked with. Neither opening a session nor pruning those that are over changes anybody's
-- standing.
INSERT INTO setting (name, value) VALUES ('standing_epoch', ''), ('policy_epoch', '') ON CONFLICT DO NOTHING;

CREATE FUNCTION raise_epoch() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    -- For rows, once in a transaction, however many it changes.
    UPDATE setting SET value = gen_random_uuid()::text
        WHERE name = TG_ARGV[0] AND (TG_LEVEL = 'STATEMENT' OR xmin <> pg_current_xact_id()::xid);
    RETURN NULL;
END $$;

-- Deferred to the commit, so that the row of the epoch is locked last and for a moment only.
CREATE CONSTRAINT TRIGGER user_account_counts AFTER UPDATE OF display_name, organisation_id, active, must_change_password, tokens_valid_from OR DELETE ON user_account
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION raise_epoch('standing_epoch');
CREATE CONSTRAINT TRIGGER organisation_counts AFTER INSERT OR UPDATE OF path OR DELETE ON organisation
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION raise_epoch('standing_epoch');
CREATE CONSTRAINT TRIGGER role_counts AFTER UPDATE OF sees, permissions OR DELETE ON role
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION raise_epoch('standing_epoch');
CREATE CONSTRAINT TRIGGER user_role_counts AFTER INSERT OR UPDATE OR DELETE ON user_role
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION raise_epoch('standing_epoch');
CREATE CONSTRAINT TRIGGER team_member_counts AFTER INSERT OR UPDATE OR DELETE ON team_member
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION raise_epoch('standing_epoch');
CREATE CONSTRAINT TRIGGER refresh_token_counts AFTER UPDATE OF revoked_at, expires_at ON refresh_token
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION raise_epoch('standing_epoch');
CREATE CONSTRAINT TRIGGER personal_token_counts AFTER UPDATE OF scopes, revoked_at, expires_at OR DELETE ON personal_token
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION raise_epoch('standing_epoch');

-- At once: a transaction that changes policies may ask them, too.
CREATE TRIGGER policy_counts AFTER INSERT OR UPDATE OR DELETE ON policy
    FOR EACH STATEMENT EXECUTE FUNCTION raise_epoch('policy_epoch');
CREATE TRIGGER lookup_table_counts AFTER INSERT OR UPDATE OR DELETE ON lookup_table
    FOR EACH STATEMENT EXECUTE FUNCTION raise_epoch('policy_epoch');
CREATE TRIGGER team_counts AFTER INSERT OR UPDATE OR DELETE ON team
    FOR EACH STATEMENT EXECUTE FUNCTION raise_epoch('policy_epoch');
CREATE TRIGGER custom_field_counts AFTER INSERT OR UPDATE OR DELETE ON custom_field
    FOR EACH STATEMENT EXECUTE FUNCTION raise_epoch('policy_epoch');
