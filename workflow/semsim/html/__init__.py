"""HTML pages: the templates and building blocks that all pages share."""
