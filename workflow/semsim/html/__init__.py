"""Pages: the templates and the blocks that every page is made of."""
