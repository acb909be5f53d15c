ALTER TABLE custom_field DROP COLUMN target_class;
