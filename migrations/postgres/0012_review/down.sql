DROP INDEX decision_by_difference;
ALTER TABLE decision DROP COLUMN differs;
DROP TABLE policy_review;
DROP INDEX policy_version_to_publish;
ALTER TABLE policy_version DROP COLUMN publish_by;
ALTER TABLE policy_version DROP COLUMN publish_at;
