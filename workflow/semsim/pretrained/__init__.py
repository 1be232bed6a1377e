"""Networks that others have trained, and where their weights are found."""
