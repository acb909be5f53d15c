DROP TABLE major_incident_action;
DROP TABLE major_incident_entry;
DROP TABLE major_incident;
