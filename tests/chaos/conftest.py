"""The fake platforms, as the end-to-end tests have them."""

from tests.e2e.conftest import discord_server, discord_settings, slack, slack_settings

__all__ = ["discord_server", "discord_settings", "slack", "slack_settings"]
