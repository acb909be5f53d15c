-- What a version in the shadow was before it ran there, and is again when it no longer does.
ALTER TABLE policy_version ADD COLUMN shadowed_from TEXT COLLATE "C";
