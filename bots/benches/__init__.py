"""Measurements of the bots: rendering, accepting, and what people wait for under load."""
