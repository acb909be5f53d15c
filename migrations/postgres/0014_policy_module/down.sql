ALTER TABLE policy_version DROP COLUMN uses;
DROP TABLE policy_module;
