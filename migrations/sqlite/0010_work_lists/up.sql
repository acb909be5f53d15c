-- What is open in a state or in a team, by priority and age, is read all day: the order of the list is that of an index.
CREATE INDEX record_by_state_and_priority ON record (kind, state, priority, opened_at, id);
CREATE INDEX record_by_team_and_priority ON record (team_id, phase, priority, opened_at, id);
DROP INDEX record_by_team;
CREATE INDEX record_by_team ON record (team_id, opened_at, id);
