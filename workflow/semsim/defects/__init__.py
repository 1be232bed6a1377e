"""What defects of the paper's released code do to its conclusions: each measured beside what is meant."""
