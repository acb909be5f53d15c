DROP TABLE mail_received;
DROP TABLE mail_attempt;
DROP TABLE mail_message;
DROP TABLE notification_preference;
DROP TABLE mail_template;
DELETE FROM setting WHERE name = 'mail_place';
DROP INDEX user_account_by_address;
ALTER TABLE user_account DROP COLUMN zone;
ALTER TABLE user_account DROP COLUMN language;
