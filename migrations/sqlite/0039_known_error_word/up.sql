-- The words by which known errors are found: of their titles and symptoms, and of their error codes.
CREATE TABLE known_error_word (
    word TEXT NOT NULL,
    is_code BOOLEAN NOT NULL,
    record_id TEXT NOT NULL,
    PRIMARY KEY (word, is_code, record_id)
);
CREATE INDEX known_error_word_of_record ON known_error_word (record_id);
CREATE INDEX problem_by_category
    ON problem (category, subcategory);
