"""The tables of a finished study, and the reference results that new ones are compared with."""
