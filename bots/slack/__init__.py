"""Slack: ``events`` reads what Slack sends (pure), ``library`` talks to it."""
