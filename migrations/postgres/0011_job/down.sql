DROP TABLE back_test_difference;
DROP TABLE job;
DROP INDEX decision_by_kind;
ALTER TABLE decision DROP COLUMN place;
