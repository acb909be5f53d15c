DROP TABLE change_conflict;
