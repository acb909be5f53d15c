CREATE TABLE number_sequence (
    kind TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    next_number BIGINT NOT NULL
);

CREATE TABLE record (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    kind TEXT COLLATE "C" NOT NULL,
    number TEXT COLLATE "C" NOT NULL,
    state TEXT COLLATE "C" NOT NULL,
    phase TEXT COLLATE "C" NOT NULL,
    title TEXT COLLATE "C" NOT NULL,
    description TEXT COLLATE "C" NOT NULL,
    organisation_id TEXT COLLATE "C" NOT NULL REFERENCES organisation (id),
    requester_id TEXT COLLATE "C" REFERENCES user_account (id),
    opened_by_id TEXT COLLATE "C" NOT NULL REFERENCES user_account (id),
    assignee_id TEXT COLLATE "C" REFERENCES user_account (id),
    team_id TEXT COLLATE "C" REFERENCES team (id),
    priority INTEGER NOT NULL,
    impact INTEGER NOT NULL,
    urgency INTEGER NOT NULL,
    service_id TEXT COLLATE "C" REFERENCES record (id),
    configuration_item_id TEXT COLLATE "C" REFERENCES record (id),
    planned_start TIMESTAMP,
    planned_end TIMESTAMP,
    custom TEXT COLLATE "C" NOT NULL,
    tags TEXT COLLATE "C" NOT NULL,
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
    record_id TEXT COLLATE "C" NOT NULL REFERENCES record (id),
    user_id TEXT COLLATE "C" NOT NULL REFERENCES user_account (id),
    role TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (user_id, record_id, role)
);
CREATE INDEX participant_by_record ON participant (record_id);

CREATE TABLE record_tag (
    record_id TEXT COLLATE "C" NOT NULL REFERENCES record (id),
    tag TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (tag, record_id)
);
CREATE INDEX record_tag_by_record ON record_tag (record_id);

CREATE TABLE link (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    from_id TEXT COLLATE "C" NOT NULL REFERENCES record (id),
    relation TEXT COLLATE "C" NOT NULL,
    to_id TEXT COLLATE "C" NOT NULL REFERENCES record (id),
    created_by_id TEXT COLLATE "C" NOT NULL REFERENCES user_account (id),
    created_at TIMESTAMP NOT NULL
);
CREATE UNIQUE INDEX link_once ON link (from_id, relation, to_id);
CREATE INDEX link_by_to ON link (to_id, relation);

CREATE TABLE journal (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    record_id TEXT COLLATE "C" NOT NULL REFERENCES record (id),
    at TIMESTAMP NOT NULL,
    author_id TEXT COLLATE "C" NOT NULL REFERENCES user_account (id),
    kind TEXT COLLATE "C" NOT NULL,
    body TEXT COLLATE "C" NOT NULL,
    minutes INTEGER,
    via TEXT COLLATE "C" NOT NULL
);
CREATE INDEX journal_by_record ON journal (record_id, id);

CREATE TABLE attachment (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    record_id TEXT COLLATE "C" NOT NULL REFERENCES record (id),
    name TEXT COLLATE "C" NOT NULL,
    media_type TEXT COLLATE "C" NOT NULL,
    size BIGINT NOT NULL,
    sha256 TEXT COLLATE "C" NOT NULL,
    storage TEXT COLLATE "C" NOT NULL,
    created_by_id TEXT COLLATE "C" NOT NULL REFERENCES user_account (id),
    created_at TIMESTAMP NOT NULL
);
CREATE INDEX attachment_by_record ON attachment (record_id, id);

CREATE TABLE attachment_chunk (
    attachment_id TEXT COLLATE "C" NOT NULL,
    position INTEGER NOT NULL,
    content BYTEA NOT NULL,
    PRIMARY KEY (attachment_id, position)
);

CREATE TABLE custom_field (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    kind TEXT COLLATE "C" NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    label TEXT COLLATE "C" NOT NULL,
    help TEXT COLLATE "C" NOT NULL,
    field_type TEXT COLLATE "C" NOT NULL,
    choices TEXT COLLATE "C" NOT NULL,
    required BOOLEAN NOT NULL,
    pattern TEXT COLLATE "C",
    active BOOLEAN NOT NULL,
    version INTEGER NOT NULL,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL
);
CREATE UNIQUE INDEX custom_field_by_name ON custom_field (kind, name);

CREATE TABLE custom_value (
    record_id TEXT COLLATE "C" NOT NULL REFERENCES record (id),
    name TEXT COLLATE "C" NOT NULL,
    text_value TEXT COLLATE "C",
    number_value DOUBLE PRECISION,
    PRIMARY KEY (record_id, name)
);
CREATE INDEX custom_value_by_text ON custom_value (name, text_value) WHERE length(text_value) <= 500;
CREATE INDEX custom_value_by_number ON custom_value (name, number_value);

-- The searchable words of each record. Addresses are taken apart, as queries are, instead of being one word each.
CREATE TABLE record_text (
    position BIGSERIAL PRIMARY KEY,
    record_id TEXT COLLATE "C" NOT NULL UNIQUE REFERENCES record (id),
    number TEXT COLLATE "C" NOT NULL,
    title TEXT COLLATE "C" NOT NULL,
    description TEXT COLLATE "C" NOT NULL,
    comments TEXT COLLATE "C" NOT NULL,
    document tsvector GENERATED ALWAYS AS (
        setweight(to_tsvector('simple', number), 'A')
        || setweight(to_tsvector('simple', translate(title, './@:_-+<>&', '          ')), 'A')
        || setweight(to_tsvector('simple', translate(left(description, 200000), './@:_-+<>&', '          ')), 'B')
        || setweight(to_tsvector('simple', translate(left(comments, 400000), './@:_-+<>&', '          ')), 'C')
    ) STORED
);
CREATE INDEX record_index ON record_text USING gin (document);

CREATE TABLE timer (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    record_id TEXT COLLATE "C" NOT NULL REFERENCES record (id),
    name TEXT COLLATE "C" NOT NULL,
    due_at TIMESTAMP NOT NULL,
    generation INTEGER NOT NULL,
    fired_at TIMESTAMP,
    error TEXT COLLATE "C"
);
CREATE UNIQUE INDEX timer_once ON timer (record_id, name, generation);
CREATE INDEX timer_by_due ON timer (fired_at, due_at, id);

CREATE TABLE external_reference (
    source TEXT COLLATE "C" NOT NULL,
    external_key TEXT COLLATE "C" NOT NULL,
    record_id TEXT COLLATE "C" NOT NULL REFERENCES record (id),
    position BIGINT NOT NULL,
    PRIMARY KEY (source, external_key)
);
