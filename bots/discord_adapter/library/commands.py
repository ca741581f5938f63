"""The commands and menus that people see in Discord: their options, and how they are acknowledged.

Discord waits three seconds for a word, so a command is acknowledged before anything is done with
it. What it asks for is said by ``acts``.
"""

from typing import Any, Literal

import aiohttp
import discord
from discord import app_commands

from bots.discord_adapter import acts
from bots.discord_adapter.acts import Act, Wish
from bots.discord_adapter.library.client import NOBODY, Client
from bots.discord_adapter.library.facts import facts_of, file_of, place_of
from bots.discord_adapter.reading import Place
from shared.languages import languages_like
from shared.logs import get_logger
from shared.tasks import Form, Length

log = get_logger(__name__)

Interaction = discord.Interaction[Client]
FormName = Literal["email", "announcement", "ad", "news", "reply"]
LengthName = Literal["short", "medium", "long"]
MAX_CHOICES = 25
"""Suggestions: docs.discord.com, Application Commands, Autocomplete."""
ACKNOWLEDGED_CODE = 40060
TOO_LATE_CODE = 10062
FAILED = "Something went wrong with this command. Please try it again."
CHANGED = "This command has changed since you opened Discord: reload it (Ctrl+R) and try again."
PRIVATE = "Whether you alone see the answer"


class Commands(app_commands.CommandTree[Client]):
    """All that can be called, in servers and in direct messages with us."""

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
        try:
            await self.sync()
        except (discord.DiscordException, aiohttp.ClientError, OSError, TimeoutError) as error:
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
            await _say(interaction, CHANGED if is_changed else FAILED)
        except (discord.DiscordException, aiohttp.ClientError, OSError) as closed:
            log.warning("command_not_answered", error=type(closed).__name__)


async def _say(interaction: Interaction, sentence: str) -> None:
    """A sentence for the person who called, in place of an answer."""
    if interaction.response.is_done():
        await interaction.edit_original_response(content=sentence, allowed_mentions=NOBODY)
    else:
        await interaction.response.send_message(sentence, ephemeral=True, allowed_mentions=NOBODY)


async def _take(interaction: Interaction, name: str, wish: Wish, *, is_private: bool) -> None:
    """Acknowledge what somebody asks for, and hand it on."""
    if wish.sentence:
        await _say(interaction, wish.sentence)
        return
    if not await _acknowledge(interaction, is_private=is_private):
        return
    user, ticket = interaction.user.id, interaction.token
    act = Act(_place_of(interaction), interaction.id, user, name, ticket, is_private)
    if sentence := await interaction.client.hearer.act(act, wish):
        await _say_instead(interaction, sentence)


async def _acknowledge(interaction: Interaction, *, is_private: bool) -> bool:
    """Have Discord show that we are thinking; False if it has told the person that we are not.

    In doubt the command is taken: its answer finds a way when the ticket does not open one.
    """
    try:
        await interaction.response.defer(ephemeral=is_private, thinking=True)
    except discord.HTTPException as error:
        if error.code == TOO_LATE_CODE:
            log.warning("command_too_late")
            return False
        if error.code != ACKNOWLEDGED_CODE:  # another process of ours was quicker, or is gone
            log.warning("command_not_acknowledged", status=error.status)
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        log.warning("command_not_acknowledged", error=type(error).__name__)
    return True


async def _say_instead(interaction: Interaction, sentence: str) -> None:
    try:
        await interaction.edit_original_response(content=sentence, allowed_mentions=NOBODY)
    except (discord.DiscordException, aiohttp.ClientError, OSError, TimeoutError) as error:
        log.warning("command_not_answered", error=type(error).__name__)


def _place_of(interaction: Interaction) -> Place:
    if interaction.channel is not None:
        return place_of(interaction.channel)
    return Place(interaction.guild_id, interaction.channel_id or 0)


async def _suggest_languages(
    _interaction: Interaction, beginning: str
) -> list[app_commands.Choice[str]]:
    found = languages_like(beginning, MAX_CHOICES)
    return [app_commands.Choice(name=name, value=code) for name, code in found]


@app_commands.command(
    name="ask", description="Answer a question from the documents that I know here"
)
@app_commands.describe(question="What you want to know", private=PRIVATE)
async def _ask(interaction: Interaction, question: str, *, private: bool = False) -> None:
    await _take(interaction, "command:ask", acts.ask(question), is_private=private)


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
    hours: app_commands.Range[float, 0.1, acts.MAX_HOURS] | None = None,
    *,
    since_me: bool = False,
    about: str = "",
    private: bool = True,
) -> None:
    wish = acts.summarize(_place_of(interaction), hours, about, since_me=since_me)
    await _take(interaction, "command:summarize", wish, is_private=private)


@app_commands.command(name="translate", description="Translate a text")
@app_commands.describe(language="Into which language", text="The text", private=PRIVATE)
@app_commands.autocomplete(language=_suggest_languages)
async def _translate(
    interaction: Interaction,
    language: str,
    text: str,
    *,
    private: bool = True,
) -> None:
    wish = acts.translate(language, text)
    await _take(interaction, "command:translate", wish, is_private=private)


@app_commands.command(name="write", description="Write something for you")
@app_commands.describe(
    form="What it is to be",
    about="What it is about",
    tone="How it is to sound, such as friendly or formal",
    length="How long",
    private=PRIVATE,
)
async def _write(
    interaction: Interaction,
    form: FormName,
    about: str,
    tone: str = "",
    length: LengthName = "medium",
    *,
    private: bool = True,
) -> None:
    wish = acts.write(about, Form(form), tone, Length(length))
    await _take(interaction, "command:write", wish, is_private=private)


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
    wish = acts.complete(text, temperature, top_p, max_tokens, seed)
    await _take(interaction, "command:complete", wish, is_private=private)


@app_commands.command(name="sentiment", description="Draw how this channel has felt lately")
@app_commands.describe(days="How far back", private=PRIVATE)
async def _sentiment(
    interaction: Interaction,
    days: app_commands.Range[int, 1, acts.MAX_DAYS] = 30,
    *,
    private: bool = False,
) -> None:
    wish = acts.sentiment(days)
    await _take(interaction, "command:sentiment", wish, is_private=private)


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
    wish = acts.learn(file_of(file) if file else None, text)
    await _take(interaction, "command:learn", wish, is_private=private)


@app_commands.command(
    name="opt-out", description="Leave your messages out of summaries, ratings and what is learned"
)
async def _opt_out(interaction: Interaction) -> None:
    await _take(interaction, "command:opt-out", acts.opt(is_out=True), is_private=True)


@app_commands.command(
    name="opt-in", description="Take your messages into summaries, ratings and what is learned"
)
async def _opt_in(interaction: Interaction) -> None:
    await _take(interaction, "command:opt-in", acts.opt(is_out=False), is_private=True)


@app_commands.command(name="new", description="Begin this direct message or thread afresh")
async def _new(interaction: Interaction) -> None:
    await _take(interaction, "command:new", Wish(acts.NEW_WORDS), is_private=False)


@app_commands.command(name="help", description="What I can do here")
async def _help(interaction: Interaction) -> None:
    await _take(interaction, "command:help", Wish(sentence=acts.HELP), is_private=True)


@app_commands.context_menu(name="Translate")
async def _translate_message(interaction: Interaction, message: discord.Message) -> None:
    facts = facts_of(message, interaction.client.user)
    wish = acts.translate_message(facts, interaction.locale.value)
    await _take(interaction, "menu:translate", wish, is_private=True)


@app_commands.context_menu(name="Summarize from here")
async def _summarize_from_message(interaction: Interaction, message: discord.Message) -> None:
    wish = acts.summarize_from_message(facts_of(message, interaction.client.user))
    await _take(interaction, "menu:summarize", wish, is_private=True)


@app_commands.context_menu(name="Draft a reply")
async def _reply_to_message(interaction: Interaction, message: discord.Message) -> None:
    wish = acts.reply_to_message(facts_of(message, interaction.client.user))
    await _take(interaction, "menu:reply", wish, is_private=True)


@app_commands.context_menu(name="Sentiment")
async def _sentiment_here(interaction: Interaction, message: discord.Message) -> None:
    del message  # it is the channel's that is drawn
    await _take(interaction, "menu:sentiment", acts.sentiment(30), is_private=True)


@app_commands.context_menu(name="Ask about this")
async def _ask_about_message(interaction: Interaction, message: discord.Message) -> None:
    wish = acts.ask_about_message(facts_of(message, interaction.client.user))
    await _take(interaction, "menu:ask", wish, is_private=True)


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
    _help,
)
MENUS = (
    _translate_message,
    _summarize_from_message,
    _reply_to_message,
    _sentiment_here,
    _ask_about_message,
)
