DROP INDEX configuration_item_by_certified_at;
ALTER TABLE configuration_item DROP COLUMN certified_at;
DROP INDEX custom_value_by_folded_text;
DROP INDEX configuration_item_by_title;
CREATE INDEX configuration_item_by_title
    ON record (title, opened_at, id) WHERE kind = 'configuration_item';
