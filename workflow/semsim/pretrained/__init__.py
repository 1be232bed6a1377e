"""Networks trained by others, and where their weights are found."""
