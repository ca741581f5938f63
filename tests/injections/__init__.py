"""Attempts to talk a model out of its task, and what must not come of them."""
