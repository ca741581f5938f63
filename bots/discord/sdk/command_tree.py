"""The command tree: publishes commands and menus to Discord, in its languages, and reports errors.

It holds a message's menus, too, and the form for a question about a message.
"""

from typing import Any

import discord
from discord import app_commands, ui

from bots.discord.locales import localised
from bots.discord.parse import requests
from bots.discord.parse.payloads import Facts
from bots.discord.sdk.client import Client
from bots.discord.sdk.command_contexts import anywhere, offer
from bots.discord.sdk.commands import COMMANDS
from bots.discord.sdk.convert import facts_of
from bots.discord.sdk.interactions import AWAY, Interaction, log, may_ask, say, take

ASK = "Ask about this"
FORGET_ME, SETTINGS = "forget-me", "settings"
"""Commands for which other rules of access hold."""
QUESTION = "What do you want to know about it?"
FORM_OPEN_S = 15 * 60.0
"""A form left open for so long has to be opened again."""


@app_commands.context_menu(name="Translate")
@anywhere
async def _translate(interaction: Interaction, message: discord.Message) -> None:
    facts = facts_of(message, interaction.client.user)
    task_request = requests.translate_message(facts, interaction.locale.value)
    await take(interaction, "menu:translate", task_request, is_private=True)


@app_commands.context_menu(name="Summarize from here")
async def _summarize_from(interaction: Interaction, message: discord.Message) -> None:
    task_request = requests.summarize_from_message(facts_of(message, interaction.client.user))
    await take(interaction, "menu:summarize", task_request, is_private=True)


@app_commands.context_menu(name="Draft a reply")
@anywhere
async def _reply(interaction: Interaction, message: discord.Message) -> None:
    task_request = requests.reply_to_message(facts_of(message, interaction.client.user))
    await take(interaction, "menu:reply", task_request, is_private=True)


@app_commands.context_menu(name="Sentiment")
async def _sentiment(interaction: Interaction, message: discord.Message) -> None:
    del message  # it is the channel's that is drawn
    await take(interaction, "menu:sentiment", requests.sentiment(30), is_private=True)


@app_commands.context_menu(name=ASK)
@anywhere
async def _ask(interaction: Interaction, message: discord.Message) -> None:
    facts = facts_of(message, interaction.client.user)
    if requests.text_of(facts):
        await interaction.response.send_modal(QuestionModal(facts, interaction.locale.value))
    else:
        await take(interaction, "menu:ask", requests.ask_about(facts, ""), is_private=True)


class QuestionModal(ui.Modal):
    """A form for a question about a message."""

    def __init__(self, facts: Facts, locale: str) -> None:
        super().__init__(title=localised(ASK, locale) or ASK, timeout=FORM_OPEN_S)
        self._facts = facts
        self._question: ui.TextInput[QuestionModal] = ui.TextInput(
            custom_id="question", style=discord.TextStyle.paragraph, max_length=1000
        )
        label = localised(QUESTION, locale) or QUESTION
        self.add_item(ui.Label(text=label, component=self._question))

    async def on_submit(self, interaction: Interaction, /) -> None:  # type: ignore[override]  # ours is always this client
        """Submit the question."""
        if not await may_ask(interaction):
            return
        task_request = requests.ask_about(self._facts, self._question.value)
        await take(interaction, "menu:ask", task_request, is_private=True)


MENUS = (_translate, _summarize_from, _reply, _sentiment, _ask)


FAILED = "Something went wrong with this command. Please try it again."
CHANGED = "This command has changed since you opened Discord: reload it (Ctrl+R) and try again."


MAX_WHY_CHARS = 300


def _why(error: Exception) -> str:
    """What Discord said: which command it refuses, and for which of its fields."""
    if isinstance(error, discord.HTTPException):
        said = str(error) if isinstance(error, app_commands.CommandSyncFailure) else error.text
        return f"HTTP {error.status}: {' '.join(said.split())}"[:MAX_WHY_CHARS]
    return " ".join(str(error).split())[:MAX_WHY_CHARS]


class CommandTranslator(app_commands.Translator):
    """Names and descriptions in the language of a person's Discord."""

    async def translate(
        self,
        string: app_commands.locale_str,
        locale: discord.Locale,
        context: app_commands.TranslationContextTypes,
    ) -> str | None:
        """The text in a language; None where it is shown in English."""
        del context
        return localised(string.message, locale.value)


class Commands(app_commands.CommandTree[Client]):
    """All commands and menus, each where it works."""

    def __init__(self, client: Client, *, user_installs: bool) -> None:
        """``user_installs``: whether they are offered to people who installed the app alone."""
        super().__init__(
            client,
            allowed_contexts=app_commands.AppCommandContext(
                guild=True, dm_channel=True, private_channel=False
            ),
            allowed_installs=app_commands.AppInstallationType(guild=True, user=False),
        )
        for command in COMMANDS:
            offer(command, user_installs=user_installs)
            self.add_command(command)
        for menu in MENUS:
            offer(menu, user_installs=user_installs)
            self.add_command(menu)

    async def interaction_check(self, interaction: Interaction, /) -> bool:
        """Refuse a person who may not ask, before anything else is done.

        What is kept of a person may always be deleted, and an administrator may change lists that
        shut them out.
        """
        data: Any = interaction.data or {}
        name = data.get("name")
        if name == FORGET_ME:
            return True
        return await may_ask(interaction, of_operator_alone=name == SETTINGS)

    async def publish(self) -> None:
        """Publish the commands to Discord; without that the old ones stay."""
        await self.set_translator(CommandTranslator())
        try:
            await self.sync()
        except AWAY as error:
            log.warning("commands_not_synced", error=type(error).__name__, why=_why(error))
        else:
            log.info("commands_synced", num_commands=len(COMMANDS) + len(MENUS))

    async def on_error(
        self, interaction: Interaction, error: app_commands.AppCommandError, /
    ) -> None:
        """Say that it failed."""
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
