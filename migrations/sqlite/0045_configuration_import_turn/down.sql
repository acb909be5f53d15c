DELETE FROM setting WHERE name = 'configuration_import';
