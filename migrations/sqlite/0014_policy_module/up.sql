-- Functions that policies share. Every version is kept; the newest is what a policy is pinned to when it is written.
CREATE TABLE policy_module (
    name TEXT NOT NULL,
    version INTEGER NOT NULL,
    source TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    message TEXT NOT NULL,
    author_id TEXT,
    created_at TIMESTAMP NOT NULL,
    PRIMARY KEY (name, version)
);

-- The versions of modules and lookup tables that a version of a policy runs with.
ALTER TABLE policy_version ADD COLUMN uses TEXT NOT NULL DEFAULT '{"modules":{},"tables":{}}';
