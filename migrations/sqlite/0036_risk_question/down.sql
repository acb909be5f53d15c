DROP TABLE risk_question;
