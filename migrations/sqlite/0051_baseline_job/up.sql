-- Baselines are taken by jobs: until then there is no moment of which they tell.
ALTER TABLE configuration_baseline ADD COLUMN taken_at TIMESTAMP;
UPDATE configuration_baseline SET taken_at = created_at;
