-- Epochs, by which every node notices that what it remembers is out of date: `standing_epoch` of what callers may do and see,
-- `policy_epoch` of what policies are asked with. Neither opening a session nor pruning those that are over changes anybody's
-- standing.
INSERT INTO setting (name, value) VALUES ('standing_epoch', ''), ('policy_epoch', '') ON CONFLICT DO NOTHING;

CREATE TRIGGER user_account_changed AFTER UPDATE OF display_name, organisation_id, active, must_change_password, tokens_valid_from ON user_account BEGIN
    UPDATE setting SET value = hex(randomblob(16)) WHERE name = 'standing_epoch';
END;
CREATE TRIGGER user_account_removed AFTER DELETE ON user_account BEGIN
    UPDATE setting SET value = hex(randomblob(16)) WHERE name = 'standing_epoch';
END;
CREATE TRIGGER organisation_added AFTER INSERT ON organisation BEGIN
    UPDATE setting SET value = hex(randomblob(16)) WHERE name = 'standing_epoch';
END;
CREATE TRIGGER organisation_changed AFTER UPDATE OF path ON organisation BEGIN
    UPDATE setting SET value = hex(randomblob(16)) WHERE name = 'standing_epoch';
END;
CREATE TRIGGER organisation_removed AFTER DELETE ON organisation BEGIN
    UPDATE setting SET value = hex(randomblob(16)) WHERE name = 'standing_epoch';
END;
CREATE TRIGGER role_changed AFTER UPDATE OF sees, permissions ON role BEGIN
    UPDATE setting SET value = hex(randomblob(16)) WHERE name = 'standing_epoch';
END;
CREATE TRIGGER role_removed AFTER DELETE ON role BEGIN
    UPDATE setting SET value = hex(randomblob(16)) WHERE name = 'standing_epoch';
END;
CREATE TRIGGER user_role_added AFTER INSERT ON user_role BEGIN
    UPDATE setting SET value = hex(randomblob(16)) WHERE name = 'standing_epoch';
END;
CREATE TRIGGER user_role_changed AFTER UPDATE ON user_role BEGIN
    UPDATE setting SET value = hex(randomblob(16)) WHERE name = 'standing_epoch';
END;
CREATE TRIGGER user_role_removed AFTER DELETE ON user_role BEGIN
    UPDATE setting SET value = hex(randomblob(16)) WHERE name = 'standing_epoch';
END;
CREATE TRIGGER team_member_added AFTER INSERT ON team_member BEGIN
    UPDATE setting SET value = hex(randomblob(16)) WHERE name = 'standing_epoch';
END;
CREATE TRIGGER team_member_changed AFTER UPDATE ON team_member BEGIN
    UPDATE setting SET value = hex(randomblob(16)) WHERE name = 'standing_epoch';
END;
CREATE TRIGGER team_member_removed AFTER DELETE ON team_member BEGIN
    UPDATE setting SET value = hex(randomblob(16)) WHERE name = 'standing_epoch';
END;
CREATE TRIGGER refresh_token_changed AFTER UPDATE OF revoked_at, expires_at ON refresh_token BEGIN
    UPDATE setting SET value = hex(randomblob(16)) WHERE name = 'standing_epoch';
END;
CREATE TRIGGER personal_token_changed AFTER UPDATE OF scopes, revoked_at, expires_at ON personal_token BEGIN
    UPDATE setting SET value = hex(randomblob(16)) WHERE name = 'standing_epoch';
END;
CREATE TRIGGER personal_token_removed AFTER DELETE ON personal_token BEGIN
    UPDATE setting SET value = hex(randomblob(16)) WHERE name = 'standing_epoch';
END;
CREATE TRIGGER policy_added AFTER INSERT ON policy BEGIN
    UPDATE setting SET value = hex(randomblob(16)) WHERE name = 'policy_epoch';
END;
CREATE TRIGGER policy_changed AFTER UPDATE ON policy BEGIN
    UPDATE setting SET value = hex(randomblob(16)) WHERE name = 'policy_epoch';
END;
CREATE TRIGGER policy_removed AFTER DELETE ON policy BEGIN
    UPDATE setting SET value = hex(randomblob(16)) WHERE name = 'policy_epoch';
END;
CREATE TRIGGER lookup_table_added AFTER INSERT ON lookup_table BEGIN
    UPDATE setting SET value = hex(randomblob(16)) WHERE name = 'policy_epoch';
END;
CREATE TRIGGER lookup_table_changed AFTER UPDATE ON lookup_table BEGIN
    UPDATE setting SET value = hex(randomblob(16)) WHERE name = 'policy_epoch';
END;
CREATE TRIGGER lookup_table_removed AFTER DELETE ON lookup_table BEGIN
    UPDATE setting SET value = hex(randomblob(16)) WHERE name = 'policy_epoch';
END;
CREATE TRIGGER team_added AFTER INSERT ON team BEGIN
    UPDATE setting SET value = hex(randomblob(16)) WHERE name = 'policy_epoch';
END;
CREATE TRIGGER team_changed AFTER UPDATE ON team BEGIN
    UPDATE setting SET value = hex(randomblob(16)) WHERE name = 'policy_epoch';
END;
CREATE TRIGGER team_removed AFTER DELETE ON team BEGIN
    UPDATE setting SET value = hex(randomblob(16)) WHERE name = 'policy_epoch';
END;
CREATE TRIGGER custom_field_added AFTER INSERT ON custom_field BEGIN
    UPDATE setting SET value = hex(randomblob(16)) WHERE name = 'policy_epoch';
END;
CREATE TRIGGER custom_field_changed AFTER UPDATE ON custom_field BEGIN
    UPDATE setting SET value = hex(randomblob(16)) WHERE name = 'policy_epoch';
END;
CREATE TRIGGER custom_field_removed AFTER DELETE ON custom_field BEGIN
    UPDATE setting SET value = hex(randomblob(16)) WHERE name = 'policy_epoch';
END;
