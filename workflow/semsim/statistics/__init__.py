"""How well annotators agree, and which metric agrees with them. Nothing here imports torch."""
