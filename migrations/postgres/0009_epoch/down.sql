DROP FUNCTION raise_epoch CASCADE;
DELETE FROM setting WHERE name = 'standing_epoch';
