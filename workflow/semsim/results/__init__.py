"""The tables of a finished study, and the reference results with which new ones are compared."""
