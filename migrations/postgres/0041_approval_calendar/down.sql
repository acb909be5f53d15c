ALTER TABLE approval_stage DROP COLUMN calendar;
