"""The report: one page that a reader can follow from the question to the limits."""
