-- Locked while an import recognises things and makes those that are not there, so that of two that tell of one thing the second finds it.
INSERT INTO setting (name, value) VALUES ('configuration_import', '') ON CONFLICT DO NOTHING;
