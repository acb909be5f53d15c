DELETE FROM known_error_word WHERE word = '';
