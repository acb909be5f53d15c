-- Whom a published workaround is for. Of those before, nobody knows any more: they are told to nobody who was not told then.
ALTER TABLE problem ADD COLUMN workaround_audience TEXT;
UPDATE problem SET workaround_audience = 'internal' WHERE workaround_published_at IS NOT NULL;

-- Which workaround an incident was told of last.
CREATE TABLE workaround_told (
    problem_id TEXT NOT NULL REFERENCES record (id),
    incident_id TEXT NOT NULL REFERENCES record (id),
    workaround_sha256 TEXT NOT NULL,
    audience TEXT NOT NULL,
    told_at TIMESTAMP NOT NULL,
    PRIMARY KEY (problem_id, incident_id)
);
