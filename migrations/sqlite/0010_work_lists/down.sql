DROP INDEX record_by_team;
CREATE INDEX record_by_team ON record (team_id, phase, opened_at, id);
DROP INDEX record_by_team_and_priority;
DROP INDEX record_by_state_and_priority;
