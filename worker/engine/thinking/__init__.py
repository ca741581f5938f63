"""Thoughts of models: their notation, told apart from answers while both are streamed."""
