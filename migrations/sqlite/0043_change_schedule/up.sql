-- Locked while a change is taken into the schedule, so that of two that meet the second sees the first.
INSERT INTO setting (name, value) VALUES ('change_schedule', '') ON CONFLICT DO NOTHING;
