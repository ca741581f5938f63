"""Handlers: one for each kind of event and interaction on Discord."""
