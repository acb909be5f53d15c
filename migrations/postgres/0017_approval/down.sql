DROP TABLE delegation;
DROP TABLE approval_link;
DROP TABLE approval_voter;
DROP TABLE approval_stage;
DROP TABLE approval;
