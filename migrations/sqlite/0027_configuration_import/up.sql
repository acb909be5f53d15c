-- Where configuration items come from: sources and how much their word counts, what each has said, and what an import came to.
CREATE TABLE data_source (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    priority INTEGER NOT NULL,
    priorities TEXT NOT NULL,
    stale_days INTEGER,
    active BOOLEAN NOT NULL,
    version INTEGER NOT NULL,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL
);
CREATE UNIQUE INDEX data_source_by_name ON data_source (name);

CREATE TABLE configuration_seen (
    record_id TEXT NOT NULL REFERENCES record (id),
    source TEXT NOT NULL,
    external_key TEXT,
    seen_at TIMESTAMP NOT NULL,
    PRIMARY KEY (record_id, source)
);
CREATE INDEX configuration_seen_by_key ON configuration_seen (source, external_key);
CREATE INDEX configuration_seen_by_time ON configuration_seen (seen_at);

CREATE TABLE configuration_origin (
    record_id TEXT NOT NULL REFERENCES record (id),
    field TEXT NOT NULL,
    source TEXT NOT NULL,
    value TEXT NOT NULL,
    seen_at TIMESTAMP NOT NULL,
    PRIMARY KEY (record_id, field)
);

CREATE TABLE configuration_import_row (
    job_id TEXT NOT NULL REFERENCES job (id),
    seq BIGINT NOT NULL,
    outcome TEXT NOT NULL,
    pointer TEXT NOT NULL,
    record_id TEXT,
    title TEXT NOT NULL,
    detail TEXT NOT NULL,
    PRIMARY KEY (job_id, seq)
);
CREATE INDEX configuration_import_row_by_outcome ON configuration_import_row (job_id, outcome, seq);
