-- Rows of imports are recognised by titles and texts whatever the case of A to Z, and whatever spaces stand around them.
CREATE INDEX configuration_item_by_folded_title
    ON record (lower(trim(title)), opened_at, id) WHERE kind = 'configuration_item';
CREATE INDEX custom_value_by_folded_text
    ON custom_value (name, lower(trim(text_value))) WHERE length(lower(trim(text_value))) <= 500;

-- When somebody who answers for a thing last said that what is known of it is right, if nobody has said otherwise since.
CREATE INDEX certification_by_record ON certification (record_id, outcome, decided_at);
ALTER TABLE configuration_item ADD COLUMN certified_at TIMESTAMP;
UPDATE configuration_item SET certified_at = (
    SELECT max(said.decided_at) FROM certification AS said
    WHERE said.record_id = configuration_item.record_id AND said.outcome = 'certified'
    AND NOT EXISTS (
        SELECT 1 FROM certification AS later
        WHERE later.record_id = said.record_id AND later.outcome = 'rejected' AND later.decided_at > said.decided_at
    )
)
WHERE record_id IN (SELECT record_id FROM certification WHERE outcome = 'certified');
CREATE INDEX configuration_item_by_certified_at ON configuration_item (certified_at);
