"""The commands that people see in Discord: names and options. Their tasks: ``parse.requests``."""

from typing import Any, Literal

import discord
from discord import app_commands

from bots.discord.parse import requests
from bots.discord.parse.requests import TaskRequest
from bots.discord.sdk.account import ask_to_forget, show_settings
from bots.discord.sdk.command_contexts import anywhere, in_servers
from bots.discord.sdk.convert import file_of
from bots.discord.sdk.interactions import Interaction, place_of_call, take, tell
from shared.languages import languages_like
from shared.tasks import Form, Length

FormName = Literal["email", "announcement", "ad", "news", "reply"]
LengthName = Literal["short", "medium", "long"]
MAX_CHOICES = 25
"""Suggestions: docs.discord.com, Application Commands, Autocomplete."""
PRIVATE = "Whether you alone see the answer"


async def _suggest_languages(
    _interaction: Interaction, beginning: str
) -> list[app_commands.Choice[str]]:
    found = languages_like(beginning, MAX_CHOICES)
    return [app_commands.Choice(name=name, value=code) for name, code in found]


@app_commands.command(
    name="ask", description="Answer a question from the documents that I know here"
)
@app_commands.describe(question="What you want to know", private=PRIVATE)
@anywhere
async def _ask(interaction: Interaction, question: str, *, private: bool = False) -> None:
    await take(interaction, "command:ask", requests.ask(question), is_private=private)


@app_commands.command(
    name="summarize", description="Sum up this thread, or what was said in this channel lately"
)
@app_commands.describe(
    hours="How far back; without it a thread is summed up whole, a channel for a day",
    since_me="Only what was said since you last wrote here",
    about="What interests you most",
    private=PRIVATE,
)
async def _summarize(
    interaction: Interaction,
    hours: app_commands.Range[float, 0.1, requests.MAX_HOURS] | None = None,
    *,
    since_me: bool = False,
    about: str = "",
    private: bool = True,
) -> None:
    task_request = requests.summarize(place_of_call(interaction), hours, about, since_me=since_me)
    await take(interaction, "command:summarize", task_request, is_private=private)


@app_commands.command(name="translate", description="Translate a text")
@app_commands.describe(language="Into which language", text="The text", private=PRIVATE)
@app_commands.autocomplete(language=_suggest_languages)
@anywhere
async def _translate(
    interaction: Interaction,
    language: str,
    text: str,
    *,
    private: bool = True,
) -> None:
    task_request = requests.translate(language, text)
    await take(interaction, "command:translate", task_request, is_private=private)


@app_commands.command(name="write", description="Write something for you")
@app_commands.describe(
    form="What it is to be",
    about="What it is about",
    tone="How it is to sound, such as friendly or formal",
    length="How long",
    private=PRIVATE,
)
@anywhere
async def _write(
    interaction: Interaction,
    form: FormName,
    about: str,
    tone: str = "",
    length: LengthName = "medium",
    *,
    private: bool = True,
) -> None:
    task_request = requests.write(about, Form(form), tone, Length(length))
    await take(interaction, "command:write", task_request, is_private=private)


@app_commands.command(
    name="complete", description="Go on with a text as the model would, without a conversation"
)
@app_commands.describe(
    text="How it begins",
    max_tokens="At most so many tokens more",
    temperature="0 is always the likeliest word; above 1 it gets wild",
    top_p="Only the likeliest words that make up so much of all chances",
    seed="The same seed goes on the same way again",
    private=PRIVATE,
)
@anywhere
async def _complete(  # noqa: PLR0913 - the options of a command
    interaction: Interaction,
    text: str,
    max_tokens: app_commands.Range[int, 1, 1000] = 50,
    temperature: app_commands.Range[float, 0.0, 2.0] = 1.0,
    top_p: app_commands.Range[float, 0.01, 1.0] = 1.0,
    seed: app_commands.Range[int, 0, 2**31] | None = None,
    *,
    private: bool = False,
) -> None:
    task_request = requests.complete(text, temperature, top_p, max_tokens, seed)
    await take(interaction, "command:complete", task_request, is_private=private)


@app_commands.command(name="sentiment", description="Draw how this channel has felt lately")
@app_commands.describe(days="How far back", private=PRIVATE)
async def _sentiment(
    interaction: Interaction,
    days: app_commands.Range[int, 1, requests.MAX_DAYS] = 30,
    *,
    private: bool = False,
) -> None:
    task_request = requests.sentiment(days)
    await take(interaction, "command:sentiment", task_request, is_private=private)


@app_commands.command(
    name="learn", description="Teach me a document that I answer questions from in this channel"
)
@app_commands.describe(
    file="Markdown, text, HTML, PDF or Word", text="Or the text itself", private=PRIVATE
)
async def _learn(
    interaction: Interaction,
    file: discord.Attachment | None = None,
    text: str = "",
    *,
    private: bool = False,
) -> None:
    task_request = requests.learn(file_of(file) if file else None, text)
    await take(interaction, "command:learn", task_request, is_private=private)


@app_commands.command(
    name="opt-out", description="Leave your messages out of summaries, ratings and what is learned"
)
async def _opt_out(interaction: Interaction) -> None:
    await take(interaction, "command:opt-out", requests.opt(is_out=True), is_private=True)


@app_commands.command(
    name="opt-in", description="Take your messages into summaries, ratings and what is learned"
)
async def _opt_in(interaction: Interaction) -> None:
    await take(interaction, "command:opt-in", requests.opt(is_out=False), is_private=True)


@app_commands.command(name="new", description="Begin this direct message or thread afresh")
async def _new(interaction: Interaction) -> None:
    await take(interaction, "command:new", TaskRequest(requests.NEW_WORDS), is_private=False)


@app_commands.command(name="stop", description="Stop the answers that I am writing for you here")
@anywhere
async def _stop(interaction: Interaction) -> None:
    await tell(interaction, interaction.client.event_handler.stop_all)


@app_commands.command(
    name="quota", description="How much you have asked today, and how much is left"
)
@anywhere
async def _quota(interaction: Interaction) -> None:
    await tell(interaction, interaction.client.event_handler.account_handlers.quota)


@app_commands.command(
    name="settings", description="When and how I answer in this channel, or in the whole server"
)
@in_servers
async def _settings(interaction: Interaction) -> None:
    await show_settings(interaction)


@app_commands.command(name="forget-me", description="Delete what I have kept of you")
@anywhere
async def _forget_me(interaction: Interaction) -> None:
    await ask_to_forget(interaction)


@app_commands.command(name="help", description="What I can do here")
@anywhere
async def _help(interaction: Interaction) -> None:
    await take(interaction, "command:help", TaskRequest(sentence=requests.HELP), is_private=True)


COMMANDS: tuple[app_commands.Command[Any, ..., Any], ...] = (
    _ask,
    _summarize,
    _translate,
    _write,
    _complete,
    _sentiment,
    _learn,
    _opt_out,
    _opt_in,
    _new,
    _stop,
    _quota,
    _settings,
    _forget_me,
    _help,
)
