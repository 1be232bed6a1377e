"""Files: tables, arrays, pickles from elsewhere; whatever is written is written whole or not at all."""
