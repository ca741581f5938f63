"""Rendering: reply text to posts that fit the platform's limits. Pure."""
