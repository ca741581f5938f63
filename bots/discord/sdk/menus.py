"""The menu of a message: what people see there, and the form for a question about it."""

import discord
from discord import app_commands, ui

from bots.discord.locales import localised
from bots.discord.parse import requests
from bots.discord.parse.payloads import Facts
from bots.discord.sdk.command_contexts import anywhere
from bots.discord.sdk.convert import facts_of
from bots.discord.sdk.interactions import Interaction, take

ASK = "Ask about this"
QUESTION = "What do you want to know about it?"
FORM_OPEN_S = 15 * 60.0
"""A person who has left the form open for so long opens it again."""


@app_commands.context_menu(name="Translate")
@anywhere
async def _translate(interaction: Interaction, message: discord.Message) -> None:
    facts = facts_of(message, interaction.client.user)
    wish = requests.translate_message(facts, interaction.locale.value)
    await take(interaction, "menu:translate", wish, is_private=True)


@app_commands.context_menu(name="Summarize from here")
async def _summarize_from(interaction: Interaction, message: discord.Message) -> None:
    wish = requests.summarize_from_message(facts_of(message, interaction.client.user))
    await take(interaction, "menu:summarize", wish, is_private=True)


@app_commands.context_menu(name="Draft a reply")
@anywhere
async def _reply(interaction: Interaction, message: discord.Message) -> None:
    wish = requests.reply_to_message(facts_of(message, interaction.client.user))
    await take(interaction, "menu:reply", wish, is_private=True)


@app_commands.context_menu(name="Sentiment")
async def _sentiment(interaction: Interaction, message: discord.Message) -> None:
    del message  # it is the channel's that is drawn
    await take(interaction, "menu:sentiment", requests.sentiment(30), is_private=True)


@app_commands.context_menu(name=ASK)
@anywhere
async def _ask(interaction: Interaction, message: discord.Message) -> None:
    facts = facts_of(message, interaction.client.user)
    if requests.text_of(facts):
        await interaction.response.send_modal(Question(facts, interaction.locale.value))
    else:
        await take(interaction, "menu:ask", requests.ask_about(facts, ""), is_private=True)


class Question(ui.Modal):
    """A form for a question about a message."""

    def __init__(self, facts: Facts, locale: str) -> None:
        super().__init__(title=localised(ASK, locale) or ASK, timeout=FORM_OPEN_S)
        self._facts = facts
        self._question: ui.TextInput[Question] = ui.TextInput(
            custom_id="question", style=discord.TextStyle.paragraph, max_length=1000
        )
        label = localised(QUESTION, locale) or QUESTION
        self.add_item(ui.Label(text=label, component=self._question))

    async def on_submit(self, interaction: Interaction, /) -> None:  # type: ignore[override]  # ours is always this client
        """Take the question."""
        wish = requests.ask_about(self._facts, self._question.value)
        await take(interaction, "menu:ask", wish, is_private=True)


MENUS = (_translate, _summarize_from, _reply, _sentiment, _ask)
