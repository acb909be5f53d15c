DROP TABLE workaround_told;
ALTER TABLE problem DROP COLUMN workaround_audience;
