"""``parley bench``, as far as it measures what a worker does."""
