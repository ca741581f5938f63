"""The knowledge store: documents, their passages, and the search for them."""
