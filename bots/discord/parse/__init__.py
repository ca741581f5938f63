"""Parsers: Discord's payloads to plain data. Pure."""
