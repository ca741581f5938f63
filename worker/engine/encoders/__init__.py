"""Encoders: models that turn texts into vectors and ratings."""
