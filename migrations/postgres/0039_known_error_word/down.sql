DROP INDEX problem_by_category;
DROP TABLE known_error_word;
