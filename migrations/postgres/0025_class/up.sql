-- Classes of records, with the attributes that administrators give them.
CREATE TABLE record_class (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    kind TEXT COLLATE "C" NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    label TEXT COLLATE "C" NOT NULL,
    description TEXT COLLATE "C" NOT NULL,
    parent TEXT COLLATE "C",
    is_abstract BOOLEAN NOT NULL,
    attributes TEXT COLLATE "C" NOT NULL,
    identification TEXT COLLATE "C" NOT NULL,
    active BOOLEAN NOT NULL,
    version INTEGER NOT NULL,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL
);
CREATE UNIQUE INDEX record_class_by_name ON record_class (kind, name);

-- Each class with itself and all above it.
CREATE TABLE record_class_line (
    kind TEXT COLLATE "C" NOT NULL,
    class TEXT COLLATE "C" NOT NULL,
    above TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (kind, above, class)
);

ALTER TABLE configuration_item ADD COLUMN attributes TEXT COLLATE "C" NOT NULL DEFAULT '{}';
