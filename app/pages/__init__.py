"""One file a page: layout, then events, top to bottom."""
