"""Where a command may be called: everywhere with a user install, or in servers only."""

from typing import TypeVar

from discord import app_commands

T = TypeVar("T")


def anywhere(command: T) -> T:
    """A command that uses only its options: a user install makes it available everywhere.

    It can be called in servers that Parley is not in and in direct messages between others, which
    Parley cannot read.
    """
    contexts = app_commands.allowed_contexts(guilds=True, dms=True, private_channels=True)
    return app_commands.allowed_installs(guilds=True, users=True)(contexts(command))


def in_servers(command: T) -> T:
    """A command that is about a server."""
    contexts = app_commands.allowed_contexts(guilds=True, dms=False, private_channels=False)
    return contexts(command)
