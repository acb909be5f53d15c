-- Classes of records, with the attributes that administrators give them.
CREATE TABLE record_class (
    id TEXT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    label TEXT NOT NULL,
    description TEXT NOT NULL,
    parent TEXT,
    is_abstract BOOLEAN NOT NULL,
    attributes TEXT NOT NULL,
    identification TEXT NOT NULL,
    active BOOLEAN NOT NULL,
    version INTEGER NOT NULL,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL
);
CREATE UNIQUE INDEX record_class_by_name ON record_class (kind, name);

-- Each class with itself and all above it.
CREATE TABLE record_class_line (
    kind TEXT NOT NULL,
    class TEXT NOT NULL,
    above TEXT NOT NULL,
    PRIMARY KEY (kind, above, class)
);

ALTER TABLE configuration_item ADD COLUMN attributes TEXT NOT NULL DEFAULT '{}';
