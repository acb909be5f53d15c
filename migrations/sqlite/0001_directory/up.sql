CREATE TABLE organisation (
    id TEXT NOT NULL PRIMARY KEY,
    parent_id TEXT REFERENCES organisation (id),
    name TEXT NOT NULL,
    path TEXT NOT NULL,
    active BOOLEAN NOT NULL,
    version INTEGER NOT NULL,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL
);
CREATE UNIQUE INDEX organisation_by_name ON organisation (name);
CREATE INDEX organisation_by_path ON organisation (path);

CREATE TABLE user_account (
    id TEXT NOT NULL PRIMARY KEY,
    user_name TEXT NOT NULL,
    display_name TEXT NOT NULL,
    email TEXT,
    organisation_id TEXT NOT NULL REFERENCES organisation (id),
    manager_id TEXT REFERENCES user_account (id),
    vip BOOLEAN NOT NULL,
    service_account BOOLEAN NOT NULL,
    active BOOLEAN NOT NULL,
    password_hash TEXT,
    must_change_password BOOLEAN NOT NULL,
    tokens_valid_from TIMESTAMP NOT NULL,
    version INTEGER NOT NULL,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL
);
CREATE UNIQUE INDEX user_account_by_user_name ON user_account (user_name);
CREATE INDEX user_account_by_email ON user_account (email);
CREATE INDEX user_account_by_display_name ON user_account (display_name, id);

CREATE TABLE team (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    organisation_id TEXT NOT NULL REFERENCES organisation (id),
    email TEXT,
    active BOOLEAN NOT NULL,
    version INTEGER NOT NULL,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL
);
CREATE UNIQUE INDEX team_by_name ON team (name);

CREATE TABLE team_member (
    team_id TEXT NOT NULL REFERENCES team (id),
    user_id TEXT NOT NULL REFERENCES user_account (id),
    PRIMARY KEY (team_id, user_id)
);
CREATE INDEX team_member_by_user ON team_member (user_id);

CREATE TABLE role (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    sees TEXT NOT NULL,
    permissions TEXT NOT NULL,
    shipped BOOLEAN NOT NULL,
    version INTEGER NOT NULL,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL
);
CREATE UNIQUE INDEX role_by_name ON role (name);

CREATE TABLE user_role (
    user_id TEXT NOT NULL REFERENCES user_account (id),
    role_id TEXT NOT NULL REFERENCES role (id),
    PRIMARY KEY (user_id, role_id)
);

CREATE TABLE refresh_token (
    id TEXT NOT NULL PRIMARY KEY,
    family_id TEXT NOT NULL,
    user_id TEXT NOT NULL REFERENCES user_account (id),
    token_hash TEXT NOT NULL,
    created_at TIMESTAMP NOT NULL,
    expires_at TIMESTAMP NOT NULL,
    used_at TIMESTAMP,
    revoked_at TIMESTAMP
);
CREATE UNIQUE INDEX refresh_token_by_hash ON refresh_token (token_hash);
CREATE INDEX refresh_token_by_family ON refresh_token (family_id);
CREATE INDEX refresh_token_by_user ON refresh_token (user_id);
CREATE INDEX refresh_token_by_expiry ON refresh_token (expires_at);

CREATE TABLE personal_token (
    id TEXT NOT NULL PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES user_account (id),
    name TEXT NOT NULL,
    token_hash TEXT NOT NULL,
    scopes TEXT NOT NULL,
    created_at TIMESTAMP NOT NULL,
    expires_at TIMESTAMP,
    last_used_at TIMESTAMP,
    revoked_at TIMESTAMP
);
CREATE UNIQUE INDEX personal_token_by_hash ON personal_token (token_hash);
CREATE INDEX personal_token_by_user ON personal_token (user_id);

CREATE TABLE signing_key (
    id TEXT NOT NULL PRIMARY KEY,
    algorithm TEXT NOT NULL,
    private_key TEXT NOT NULL,
    public_key TEXT NOT NULL,
    created_at TIMESTAMP NOT NULL,
    retired_at TIMESTAMP
);

CREATE TABLE login_failure (
    subject TEXT NOT NULL PRIMARY KEY,
    failures INTEGER NOT NULL,
    last_at TIMESTAMP NOT NULL
);
