"""Inputs that were made to do harm, or by somebody who did not know better."""
