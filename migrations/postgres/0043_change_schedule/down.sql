DELETE FROM setting WHERE name = 'change_schedule';
