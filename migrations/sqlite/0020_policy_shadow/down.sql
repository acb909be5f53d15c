ALTER TABLE policy_version DROP COLUMN shadowed_from;
