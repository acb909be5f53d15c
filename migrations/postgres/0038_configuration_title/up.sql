-- Rows of imports are recognised by their titles, among what is not closed.
CREATE INDEX configuration_item_by_title
    ON record (title, opened_at, id) WHERE kind = 'configuration_item';
