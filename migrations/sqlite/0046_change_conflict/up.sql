-- What a change met when it was last planned: a step that rests on its approval goes on only while it meets nothing else. A new change is
-- looked at before its row is written, so the reference is checked when the transaction ends.
CREATE TABLE change_conflict (
    change_id TEXT NOT NULL REFERENCES record (id) DEFERRABLE INITIALLY DEFERRED,
    mark TEXT NOT NULL,
    PRIMARY KEY (change_id, mark)
);
