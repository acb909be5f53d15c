DROP TABLE escalation;
ALTER TABLE incident DROP COLUMN major;
ALTER TABLE record DROP COLUMN escalated_at;
ALTER TABLE record DROP COLUMN escalation_level;
