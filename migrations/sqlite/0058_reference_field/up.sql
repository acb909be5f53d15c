-- Of which class what a field refers to has to be.
ALTER TABLE custom_field ADD COLUMN target_class TEXT;
