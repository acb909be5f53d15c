-- Each known error has a word by which they are counted now: the words are put in anew.
DELETE FROM known_error_word;
