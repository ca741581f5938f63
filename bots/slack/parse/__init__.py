"""Parsers: Slack's payloads to plain data. Pure."""
