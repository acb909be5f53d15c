DROP TABLE cab_agenda_item;
DROP TABLE cab_meeting;
