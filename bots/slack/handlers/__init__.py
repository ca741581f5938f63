"""Handlers: one for each kind of event and interaction on Slack."""
