CREATE TABLE policy (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    name TEXT COLLATE "C" NOT NULL,
    decision TEXT COLLATE "C" NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    description TEXT COLLATE "C" NOT NULL,
    position INTEGER NOT NULL,
    enabled BOOLEAN NOT NULL,
    active_version INTEGER,
    version INTEGER NOT NULL,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL
);
CREATE UNIQUE INDEX policy_by_name ON policy (name);

CREATE TABLE policy_version (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    policy_id TEXT COLLATE "C" NOT NULL REFERENCES policy (id),
    number INTEGER NOT NULL,
    source TEXT COLLATE "C" NOT NULL,
    sha256 TEXT COLLATE "C" NOT NULL,
    message TEXT COLLATE "C" NOT NULL,
    author_id TEXT COLLATE "C",
    state TEXT COLLATE "C" NOT NULL,
    created_at TIMESTAMP NOT NULL,
    published_at TIMESTAMP
);
CREATE UNIQUE INDEX policy_version_once ON policy_version (policy_id, number);

CREATE TABLE lookup_table (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    name TEXT COLLATE "C" NOT NULL,
    description TEXT COLLATE "C" NOT NULL,
    content TEXT COLLATE "C" NOT NULL,
    sha256 TEXT COLLATE "C" NOT NULL,
    version INTEGER NOT NULL,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL
);
CREATE UNIQUE INDEX lookup_table_by_name ON lookup_table (name);

CREATE TABLE lookup_table_version (
    table_id TEXT COLLATE "C" NOT NULL REFERENCES lookup_table (id),
    version INTEGER NOT NULL,
    content TEXT COLLATE "C" NOT NULL,
    sha256 TEXT COLLATE "C" NOT NULL,
    author_id TEXT COLLATE "C",
    created_at TIMESTAMP NOT NULL,
    PRIMARY KEY (table_id, version)
);

CREATE TABLE decision (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    at TIMESTAMP NOT NULL,
    record_id TEXT COLLATE "C" NOT NULL REFERENCES record (id),
    record_version INTEGER NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    cause TEXT COLLATE "C" NOT NULL,
    policy_id TEXT COLLATE "C",
    policy_version INTEGER,
    policy_sha256 TEXT COLLATE "C" NOT NULL,
    mode TEXT COLLATE "C" NOT NULL,
    input TEXT COLLATE "C" NOT NULL,
    input_sha256 TEXT COLLATE "C" NOT NULL,
    host_calls TEXT COLLATE "C" NOT NULL,
    result TEXT COLLATE "C" NOT NULL,
    applied TEXT COLLATE "C" NOT NULL,
    discarded TEXT COLLATE "C" NOT NULL,
    rules TEXT COLLATE "C" NOT NULL,
    outcome TEXT COLLATE "C" NOT NULL,
    error TEXT COLLATE "C",
    operations BIGINT NOT NULL,
    microseconds BIGINT NOT NULL
);
CREATE INDEX decision_by_record ON decision (record_id, id);
CREATE INDEX decision_by_policy ON decision (policy_id, id);
