-- How much depends on what a change hits, and which changes wait for a board.
ALTER TABLE change ADD COLUMN criticality TEXT COLLATE "C";
CREATE INDEX change_by_review ON change (cab_review) WHERE cab_review IS NOT NULL;
CREATE INDEX change_by_end ON change (actual_end) WHERE actual_end IS NOT NULL;
