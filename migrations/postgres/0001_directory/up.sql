CREATE TABLE organisation (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    parent_id TEXT COLLATE "C" REFERENCES organisation (id),
    name TEXT COLLATE "C" NOT NULL,
    path TEXT COLLATE "C" NOT NULL,
    active BOOLEAN NOT NULL,
    version INTEGER NOT NULL,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL
);
CREATE UNIQUE INDEX organisation_by_name ON organisation (name);
CREATE INDEX organisation_by_path ON organisation (path);

CREATE TABLE user_account (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    user_name TEXT COLLATE "C" NOT NULL,
    display_name TEXT COLLATE "C" NOT NULL,
    email TEXT COLLATE "C",
    organisation_id TEXT COLLATE "C" NOT NULL REFERENCES organisation (id),
    manager_id TEXT COLLATE "C" REFERENCES user_account (id),
    vip BOOLEAN NOT NULL,
    service_account BOOLEAN NOT NULL,
    active BOOLEAN NOT NULL,
    password_hash TEXT COLLATE "C",
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
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    name TEXT COLLATE "C" NOT NULL,
    description TEXT COLLATE "C" NOT NULL,
    organisation_id TEXT COLLATE "C" NOT NULL REFERENCES organisation (id),
    email TEXT COLLATE "C",
    active BOOLEAN NOT NULL,
    version INTEGER NOT NULL,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL
);
CREATE UNIQUE INDEX team_by_name ON team (name);

CREATE TABLE team_member (
    team_id TEXT COLLATE "C" NOT NULL REFERENCES team (id),
    user_id TEXT COLLATE "C" NOT NULL REFERENCES user_account (id),
    PRIMARY KEY (team_id, user_id)
);
CREATE INDEX team_member_by_user ON team_member (user_id);

CREATE TABLE role (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    name TEXT COLLATE "C" NOT NULL,
    description TEXT COLLATE "C" NOT NULL,
    sees TEXT COLLATE "C" NOT NULL,
    permissions TEXT COLLATE "C" NOT NULL,
    shipped BOOLEAN NOT NULL,
    version INTEGER NOT NULL,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL
);
CREATE UNIQUE INDEX role_by_name ON role (name);

CREATE TABLE user_role (
    user_id TEXT COLLATE "C" NOT NULL REFERENCES user_account (id),
    role_id TEXT COLLATE "C" NOT NULL REFERENCES role (id),
    PRIMARY KEY (user_id, role_id)
);

CREATE TABLE refresh_token (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    family_id TEXT COLLATE "C" NOT NULL,
    user_id TEXT COLLATE "C" NOT NULL REFERENCES user_account (id),
    token_hash TEXT COLLATE "C" NOT NULL,
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
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    user_id TEXT COLLATE "C" NOT NULL REFERENCES user_account (id),
    name TEXT COLLATE "C" NOT NULL,
    token_hash TEXT COLLATE "C" NOT NULL,
    scopes TEXT COLLATE "C" NOT NULL,
    created_at TIMESTAMP NOT NULL,
    expires_at TIMESTAMP,
    last_used_at TIMESTAMP,
    revoked_at TIMESTAMP
);
CREATE UNIQUE INDEX personal_token_by_hash ON personal_token (token_hash);
CREATE INDEX personal_token_by_user ON personal_token (user_id);

CREATE TABLE signing_key (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    algorithm TEXT COLLATE "C" NOT NULL,
    private_key TEXT COLLATE "C" NOT NULL,
    public_key TEXT COLLATE "C" NOT NULL,
    created_at TIMESTAMP NOT NULL,
    retired_at TIMESTAMP
);

CREATE TABLE login_failure (
    subject TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    failures INTEGER NOT NULL,
    last_at TIMESTAMP NOT NULL
);
