"""Slack: ``events`` reads what Slack sends (pure), ``client`` talks to it."""
