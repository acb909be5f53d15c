DROP INDEX configuration_item_by_certified_at;
ALTER TABLE configuration_item DROP COLUMN certified_at;
DROP INDEX certification_by_record;
DROP INDEX custom_value_by_folded_text;
DROP INDEX configuration_item_by_folded_title;
