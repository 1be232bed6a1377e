"""A study as one checked configuration, and an estimate of how long it takes."""
