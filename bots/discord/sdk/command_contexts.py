"""Where a command may be called: everywhere with a user install, or in servers only."""

from typing import Any, TypeVar

from discord import app_commands

T = TypeVar("T")
ANYWHERE = "__works_anywhere__"
"""Marks the function of a command that a user install makes available everywhere."""


def anywhere(command: T) -> T:
    """A command that uses only its options: a user install makes it available everywhere.

    It can be called in servers that Parley is not in and in direct messages between others, which
    Parley cannot read.
    """
    setattr(command, ANYWHERE, True)
    return command


def in_servers(command: T) -> T:
    """A command that is about a server."""
    contexts = app_commands.allowed_contexts(guilds=True, dms=False, private_channels=False)
    return contexts(command)


def offer(
    command: app_commands.Command[Any, ..., Any] | app_commands.ContextMenu, *, user_installs: bool
) -> None:
    """Offer a command that works anywhere to user installs, if those are switched on."""
    if getattr(command.callback, ANYWHERE, False):
        app_commands.allowed_contexts(guilds=True, dms=True, private_channels=user_installs)(
            command
        )
        app_commands.allowed_installs(guilds=True, users=user_installs)(command)
