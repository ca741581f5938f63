"""All that can be called: made known to Discord, in its languages, and told when it goes wrong."""

import discord
from discord import app_commands

from bots.discord.locales import localised
from bots.discord.sdk.client import Client
from bots.discord.sdk.commands import COMMANDS
from bots.discord.sdk.interactions import AWAY, Interaction, log, say
from bots.discord.sdk.menus import MENUS

FAILED = "Something went wrong with this command. Please try it again."
CHANGED = "This command has changed since you opened Discord: reload it (Ctrl+R) and try again."


class Words(app_commands.Translator):
    """Names and descriptions in the language of a person's Discord."""

    async def translate(
        self,
        string: app_commands.locale_str,
        locale: discord.Locale,
        context: app_commands.TranslationContextTypes,
    ) -> str | None:
        """The words in a language; None where they are shown in English."""
        del context
        return localised(string.message, locale.value)


class Commands(app_commands.CommandTree[Client]):
    """All that can be called, each where it can be of use."""

    def __init__(self, client: Client) -> None:
        super().__init__(
            client,
            allowed_contexts=app_commands.AppCommandContext(
                guild=True, dm_channel=True, private_channel=False
            ),
            allowed_installs=app_commands.AppInstallationType(guild=True, user=False),
        )
        for command in COMMANDS:
            self.add_command(command)
        for menu in MENUS:
            self.add_command(menu)

    async def publish(self) -> None:
        """Tell Discord which commands there are; without that the old ones stay."""
        await self.set_translator(Words())
        try:
            await self.sync()
        except AWAY as error:
            log.warning("commands_not_synced", error=type(error).__name__)
        else:
            log.info("commands_synced", num_commands=len(COMMANDS) + len(MENUS))

    async def on_error(
        self, interaction: Interaction, error: app_commands.AppCommandError, /
    ) -> None:
        """Say that it did not work."""
        is_changed = isinstance(
            error, (app_commands.CommandSignatureMismatch, app_commands.CommandNotFound)
        )
        if is_changed:
            log.warning("command_unknown", error=type(error).__name__)
        else:
            log.error("command_failed", error=type(error).__name__, exc_info=error)
        try:
            await say(interaction, CHANGED if is_changed else FAILED)
        except AWAY as closed:
            log.warning("command_not_answered", error=type(closed).__name__)
