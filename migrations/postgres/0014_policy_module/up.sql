-- Functions that policies share. Every version is kept; the newest is what a policy is pinned to when it is written.
CREATE TABLE policy_module (
    name TEXT COLLATE "C" NOT NULL,
    version INTEGER NOT NULL,
    source TEXT COLLATE "C" NOT NULL,
    sha256 TEXT COLLATE "C" NOT NULL,
    message TEXT COLLATE "C" NOT NULL,
    author_id TEXT COLLATE "C",
    created_at TIMESTAMP NOT NULL,
    PRIMARY KEY (name, version)
);

-- The versions of modules and lookup tables that a version of a policy runs with.
ALTER TABLE policy_version ADD COLUMN uses TEXT COLLATE "C" NOT NULL DEFAULT '{"modules":{},"tables":{}}';
