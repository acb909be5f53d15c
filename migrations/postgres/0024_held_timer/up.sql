-- What a replay of the past sets waits until the replay has come to its end.
ALTER TABLE timer ADD COLUMN held BOOLEAN NOT NULL DEFAULT FALSE;
