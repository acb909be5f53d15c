ALTER TABLE approval DROP COLUMN by_policy;
DROP TABLE change_answer;
DROP TABLE change_model;
DROP TABLE change;
