-- Rows of imports are recognised by titles and texts however they are written: the case of letters and blanks around them aside.
DROP INDEX configuration_item_by_title;
CREATE INDEX configuration_item_by_title
    ON record (lower(trim(title)), opened_at, id) WHERE kind = 'configuration_item';
CREATE INDEX custom_value_by_folded_text
    ON custom_value (name, lower(trim(text_value))) WHERE length(lower(trim(text_value))) <= 500;
