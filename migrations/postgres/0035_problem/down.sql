DROP TABLE problem_analysis;
DROP TABLE problem;
