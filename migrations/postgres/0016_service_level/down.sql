DROP TRIGGER calendar_counts_for_levels ON calendar;
DROP TRIGGER custom_field_counts_for_levels ON custom_field;
DROP TABLE service_clock_recheck;
DROP TABLE service_clock_entry;
DROP TABLE service_clock;
DROP TABLE service_level;
DELETE FROM setting WHERE name = 'service_level_epoch';
