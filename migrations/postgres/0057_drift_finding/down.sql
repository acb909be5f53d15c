ALTER TABLE configuration_seen DROP COLUMN seen_before;
DROP INDEX unauthorised_change_by_related;
DELETE FROM unauthorised_change WHERE finding NOT IN ('reported', 'changed');
ALTER TABLE unauthorised_change DROP COLUMN related_id;
ALTER TABLE unauthorised_change DROP COLUMN finding;
