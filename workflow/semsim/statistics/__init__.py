"""How well annotators agree, and which metric says what they say. Nothing here imports torch."""
