DROP TRIGGER calendar_added_to_levels;
DROP TRIGGER calendar_changed_for_levels;
DROP TRIGGER custom_field_added_to_levels;
DROP TRIGGER custom_field_changed_for_levels;
DROP TABLE service_clock_recheck;
DROP TABLE service_clock_entry;
DROP TABLE service_clock;
DROP TABLE service_level;
DELETE FROM setting WHERE name = 'service_level_epoch';
