"""Outgoing side: posts, edits and finishes answers in the channels they belong to."""
