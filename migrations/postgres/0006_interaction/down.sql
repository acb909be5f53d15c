DROP TABLE interaction;
