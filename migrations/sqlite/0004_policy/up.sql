CREATE TABLE policy (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    decision TEXT NOT NULL,
    kind TEXT NOT NULL,
    description TEXT NOT NULL,
    position INTEGER NOT NULL,
    enabled BOOLEAN NOT NULL,
    active_version INTEGER,
    version INTEGER NOT NULL,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL
);
CREATE UNIQUE INDEX policy_by_name ON policy (name);

CREATE TABLE policy_version (
    id TEXT NOT NULL PRIMARY KEY,
    policy_id TEXT NOT NULL REFERENCES policy (id),
    number INTEGER NOT NULL,
    source TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    message TEXT NOT NULL,
    author_id TEXT,
    state TEXT NOT NULL,
    created_at TIMESTAMP NOT NULL,
    published_at TIMESTAMP
);
CREATE UNIQUE INDEX policy_version_once ON policy_version (policy_id, number);

CREATE TABLE lookup_table (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    content TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    version INTEGER NOT NULL,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL
);
CREATE UNIQUE INDEX lookup_table_by_name ON lookup_table (name);

CREATE TABLE lookup_table_version (
    table_id TEXT NOT NULL REFERENCES lookup_table (id),
    version INTEGER NOT NULL,
    content TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    author_id TEXT,
    created_at TIMESTAMP NOT NULL,
    PRIMARY KEY (table_id, version)
);

CREATE TABLE decision (
    id TEXT NOT NULL PRIMARY KEY,
    at TIMESTAMP NOT NULL,
    record_id TEXT NOT NULL REFERENCES record (id),
    record_version INTEGER NOT NULL,
    kind TEXT NOT NULL,
    cause TEXT NOT NULL,
    policy_id TEXT,
    policy_version INTEGER,
    policy_sha256 TEXT NOT NULL,
    mode TEXT NOT NULL,
    input TEXT NOT NULL,
    input_sha256 TEXT NOT NULL,
    host_calls TEXT NOT NULL,
    result TEXT NOT NULL,
    applied TEXT NOT NULL,
    discarded TEXT NOT NULL,
    rules TEXT NOT NULL,
    outcome TEXT NOT NULL,
    error TEXT,
    operations BIGINT NOT NULL,
    microseconds BIGINT NOT NULL
);
CREATE INDEX decision_by_record ON decision (record_id, id);
CREATE INDEX decision_by_policy ON decision (policy_id, id);
