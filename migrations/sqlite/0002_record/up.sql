CREATE TABLE number_sequence (
    kind TEXT NOT NULL PRIMARY KEY,
    next_number BIGINT NOT NULL
);

CREATE TABLE record (
    id TEXT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    number TEXT NOT NULL,
    state TEXT NOT NULL,
    phase TEXT NOT NULL,
    title TEXT NOT NULL,
    description TEXT NOT NULL,
    organisation_id TEXT NOT NULL REFERENCES organisation (id),
    requester_id TEXT REFERENCES user_account (id),
    opened_by_id TEXT NOT NULL REFERENCES user_account (id),
    assignee_id TEXT REFERENCES user_account (id),
    team_id TEXT REFERENCES team (id),
    priority INTEGER NOT NULL,
    impact INTEGER NOT NULL,
    urgency INTEGER NOT NULL,
    service_id TEXT REFERENCES record (id),
    configuration_item_id TEXT REFERENCES record (id),
    planned_start TIMESTAMP,
    planned_end TIMESTAMP,
    custom TEXT NOT NULL,
    tags TEXT NOT NULL,
    version INTEGER NOT NULL,
    opened_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL,
    resolved_at TIMESTAMP,
    closed_at TIMESTAMP
);
CREATE UNIQUE INDEX record_by_number ON record (number);
CREATE INDEX record_by_opened ON record (kind, opened_at, id);
CREATE INDEX record_by_opened_of_all ON record (opened_at, id);
CREATE INDEX record_by_updated_of_all ON record (updated_at, id);
CREATE INDEX record_by_updated ON record (kind, updated_at, id);
CREATE INDEX record_by_state ON record (kind, state, opened_at, id);
CREATE INDEX record_by_phase ON record (kind, phase, priority, opened_at, id);
CREATE INDEX record_by_priority ON record (kind, priority, opened_at, id);
CREATE INDEX record_by_team ON record (team_id, phase, opened_at, id);
CREATE INDEX record_by_assignee ON record (assignee_id, phase, opened_at, id);
CREATE INDEX record_by_requester ON record (requester_id, opened_at, id);
CREATE INDEX record_by_organisation ON record (organisation_id, opened_at, id);
CREATE INDEX record_by_service ON record (service_id);
CREATE INDEX record_by_configuration_item ON record (configuration_item_id);

CREATE TABLE participant (
    record_id TEXT NOT NULL REFERENCES record (id),
    user_id TEXT NOT NULL REFERENCES user_account (id),
    role TEXT NOT NULL,
    PRIMARY KEY (user_id, record_id, role)
);
CREATE INDEX participant_by_record ON participant (record_id);

CREATE TABLE record_tag (
    record_id TEXT NOT NULL REFERENCES record (id),
    tag TEXT NOT NULL,
    PRIMARY KEY (tag, record_id)
);
CREATE INDEX record_tag_by_record ON record_tag (record_id);

CREATE TABLE link (
    id TEXT NOT NULL PRIMARY KEY,
    from_id TEXT NOT NULL REFERENCES record (id),
    relation TEXT NOT NULL,
    to_id TEXT NOT NULL REFERENCES record (id),
    created_by_id TEXT NOT NULL REFERENCES user_account (id),
    created_at TIMESTAMP NOT NULL
);
CREATE UNIQUE INDEX link_once ON link (from_id, relation, to_id);
CREATE INDEX link_by_to ON link (to_id, relation);

CREATE TABLE journal (
    id TEXT NOT NULL PRIMARY KEY,
    record_id TEXT NOT NULL REFERENCES record (id),
    at TIMESTAMP NOT NULL,
    author_id TEXT NOT NULL REFERENCES user_account (id),
    kind TEXT NOT NULL,
    body TEXT NOT NULL,
    minutes INTEGER,
    via TEXT NOT NULL
);
CREATE INDEX journal_by_record ON journal (record_id, id);

CREATE TABLE attachment (
    id TEXT NOT NULL PRIMARY KEY,
    record_id TEXT NOT NULL REFERENCES record (id),
    name TEXT NOT NULL,
    media_type TEXT NOT NULL,
    size BIGINT NOT NULL,
    sha256 TEXT NOT NULL,
    storage TEXT NOT NULL,
    created_by_id TEXT NOT NULL REFERENCES user_account (id),
    created_at TIMESTAMP NOT NULL
);
CREATE INDEX attachment_by_record ON attachment (record_id, id);

CREATE TABLE attachment_chunk (
    attachment_id TEXT NOT NULL,
    position INTEGER NOT NULL,
    content BLOB NOT NULL,
    PRIMARY KEY (attachment_id, position)
);

CREATE TABLE custom_field (
    id TEXT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    label TEXT NOT NULL,
    help TEXT NOT NULL,
    field_type TEXT NOT NULL,
    choices TEXT NOT NULL,
    required BOOLEAN NOT NULL,
    pattern TEXT,
    active BOOLEAN NOT NULL,
    version INTEGER NOT NULL,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL
);
CREATE UNIQUE INDEX custom_field_by_name ON custom_field (kind, name);

CREATE TABLE custom_value (
    record_id TEXT NOT NULL REFERENCES record (id),
    name TEXT NOT NULL,
    text_value TEXT,
    number_value DOUBLE,
    PRIMARY KEY (record_id, name)
);
CREATE INDEX custom_value_by_text ON custom_value (name, text_value) WHERE length(text_value) <= 500;
CREATE INDEX custom_value_by_number ON custom_value (name, number_value);

-- The searchable words of each record; the index below follows it by itself.
CREATE TABLE record_text (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    record_id TEXT NOT NULL UNIQUE REFERENCES record (id),
    number TEXT NOT NULL,
    title TEXT NOT NULL,
    description TEXT NOT NULL,
    comments TEXT NOT NULL
);
CREATE VIRTUAL TABLE record_index USING fts5 (
    number, title, description, comments,
    content = 'record_text', content_rowid = 'position', tokenize = 'unicode61 remove_diacritics 2'
);
CREATE TRIGGER record_text_added AFTER INSERT ON record_text BEGIN
    INSERT INTO record_index (rowid, number, title, description, comments)
    VALUES (new.position, new.number, new.title, new.description, new.comments);
END;
CREATE TRIGGER record_text_removed AFTER DELETE ON record_text BEGIN
    INSERT INTO record_index (record_index, rowid, number, title, description, comments)
    VALUES ('delete', old.position, old.number, old.title, old.description, old.comments);
END;
CREATE TRIGGER record_text_changed AFTER UPDATE ON record_text BEGIN
    INSERT INTO record_index (record_index, rowid, number, title, description, comments)
    VALUES ('delete', old.position, old.number, old.title, old.description, old.comments);
    INSERT INTO record_index (rowid, number, title, description, comments)
    VALUES (new.position, new.number, new.title, new.description, new.comments);
END;

CREATE TABLE timer (
    id TEXT NOT NULL PRIMARY KEY,
    record_id TEXT NOT NULL REFERENCES record (id),
    name TEXT NOT NULL,
    due_at TIMESTAMP NOT NULL,
    generation INTEGER NOT NULL,
    fired_at TIMESTAMP,
    error TEXT
);
CREATE UNIQUE INDEX timer_once ON timer (record_id, name, generation);
CREATE INDEX timer_by_due ON timer (fired_at, due_at, id);

CREATE TABLE external_reference (
    source TEXT NOT NULL,
    external_key TEXT NOT NULL,
    record_id TEXT NOT NULL REFERENCES record (id),
    position BIGINT NOT NULL,
    PRIMARY KEY (source, external_key)
);
