"""Reading and writing files: tables, arrays, and pickles from elsewhere. Every file is written whole or not at all."""
