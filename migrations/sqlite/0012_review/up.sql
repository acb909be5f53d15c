-- When a version is to go live by itself, and who said so.
ALTER TABLE policy_version ADD COLUMN publish_at TIMESTAMP;
ALTER TABLE policy_version ADD COLUMN publish_by TEXT;
CREATE INDEX policy_version_to_publish ON policy_version (publish_at) WHERE publish_at IS NOT NULL;

CREATE TABLE policy_review (
    id TEXT NOT NULL PRIMARY KEY,
    policy_id TEXT NOT NULL REFERENCES policy (id),
    number INTEGER NOT NULL,
    reviewer_id TEXT NOT NULL,
    approves BOOLEAN NOT NULL,
    comment TEXT NOT NULL,
    created_at TIMESTAMP NOT NULL
);
CREATE INDEX policy_review_by_version ON policy_review (policy_id, number, id);

-- In what a version that runs in the shadow of the live one differs from it; null where it does not, and for live ones.
ALTER TABLE decision ADD COLUMN differs TEXT;
CREATE INDEX decision_by_difference ON decision (policy_id, policy_version, id) WHERE differs IS NOT NULL;
