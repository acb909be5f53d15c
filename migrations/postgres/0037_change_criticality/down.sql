DROP INDEX change_by_end;
DROP INDEX change_by_review;
ALTER TABLE change DROP COLUMN criticality;
