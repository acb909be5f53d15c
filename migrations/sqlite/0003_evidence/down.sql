DROP TABLE setting;
DROP TABLE idempotency;
DROP TABLE outbox;
DROP TABLE audit;
DROP TABLE audit_chain;
