-- The calendar by whose open time a stage is due; none counts all time.
ALTER TABLE approval_stage ADD COLUMN calendar TEXT;
