"""Requests on Discord besides messages: commands, menus and reactions, as tasks.

The options of a command arrive as plain values; the result is a ``TaskRequest``, or with the place
and the person an ``Incoming``.
"""
# Pure. Uses babel.

import dataclasses
from dataclasses import dataclass

from bots.access.request import NO_HINTS, AccessHints, AccessRequest
from bots.discord.parse.payloads import DiscordPlace, Facts, File, origin_of
from bots.discord.parse.text import plain_text
from bots.incoming.context import From, LastHours, Meant, SinceAsker, Wanted, WholeThread
from bots.incoming.intake import NEED_NO_TEXT, Incoming
from bots.incoming.intents.other import NOTE
from bots.incoming.intents.summarize import summarized
from bots.incoming.policy import Situation
from shared.jobs import Audience, Origin
from shared.languages import find_language, language_of_flag
from shared.tasks import (
    Ask,
    Complete,
    Form,
    Learn,
    Length,
    Opt,
    Quoted,
    Report,
    Summarize,
    Tag,
    Task,
    Translate,
    Write,
)

ACT = Situation(is_from_person=True, is_act=True)
COMMAND, MENU, REACTION = "command", "menu", "reaction"
TAG, TRANSLATE, PIN, LEARN = "tag", "translate", "pin", "learn"
DEFAULT_HOURS = 24.0
MAX_HOURS = 30 * 24.0
MAX_DAYS = 365
NEW_WORDS = "/new"
"""The text that ``bots.incoming.intake`` reads as a request to start a new conversation."""

NO_WORDS = "There is no text in that message, and nothing that I could work on."
NOTHING_TO_LEARN = "Attach a file, or write the text that I am to learn."
HELP = """\
**What I can do here**
- Mention me, or write me a direct message: I answer.
- `/ask` answers a question from the documents that this channel has taught me.
- `/learn`, or a file with the words “learn this”, teaches me a document, for this channel alone.
- `/summarize` reads what was said here and tells you what matters.
- `/translate`, the menu of a message, or a country's flag as a reaction translate, for you alone.
- `/write` drafts an e-mail, an announcement, an ad, news or a reply, for you alone.
- `/complete` goes on with a text.
- `/sentiment` draws how this channel has felt lately.
- `/opt-out` leaves your messages out of summaries and ratings, `/opt-in` takes them in again.
- `/new` begins a direct message or a thread afresh.
- `/stop`, the button under an answer, or ⏹️ as a reaction stop what I write for you.
- `/quota` says how much you have asked today, `/forget-me` deletes what I keep of you.
- `/settings` is for whoever manages this channel or server.
A message's menu, under Apps, has Translate, Summarize from here, Draft a reply, Sentiment and \
Ask about this."""


@dataclass(frozen=True, slots=True)
class TaskRequest:
    """The request of a command or a menu."""

    text: str = ""
    task: Task | None = None
    wanted: Wanted | None = None
    file: File | None = None
    """The file to be learned, which has to be fetched."""
    author: int | None = None
    """The author of the message that it is about, if it is about one."""
    sentence: str = ""
    """What the person reads at once, without a job."""


@dataclass(frozen=True, slots=True)
class UserRequest:
    """The person, the place, and the way of the answer."""

    place: DiscordPlace
    id: int
    """The interaction's."""
    user: int
    name: str
    """Such as ``command:ask``."""
    ticket: str
    is_private: bool
    roles: frozenset[int] = frozenset()
    hints: AccessHints = NO_HINTS


def is_empty(task_request: TaskRequest) -> bool:
    """Whether it needs words and has none."""
    needs_words = not (
        task_request.wanted or task_request.file or isinstance(task_request.task, NEED_NO_TEXT)
    )
    return needs_words and not task_request.text.strip()


def unknown_language(words: str) -> str:
    """The sentence for an unknown language."""
    return f"I know no language called “{words[:50]}”: write its name or its code, such as fr."


def incoming_of(act: UserRequest, task_request: TaskRequest) -> Incoming:
    """A request in the form that all platforms share."""
    is_new = task_request.text == NEW_WORDS and task_request.task is None
    is_conversation = act.place.guild is None or act.place.parent is not None
    origin = dataclasses.replace(
        origin_of(act.place, act.id, act.user),
        thread="" if is_conversation else str(act.id),
        # The conversation that starts again is the place's own.
        act="" if is_new else act.name,
        audience=Audience.ASKER if act.is_private else Audience.CHANNEL,
        ticket=act.ticket,
    )
    return Incoming(
        origin,
        task_request.text,
        ACT,
        task=task_request.task,
        wanted=task_request.wanted,
        roles=frozenset(map(str, act.roles)),
        quoted=_others(task_request.author, act.user),
        hints=act.hints,
    )


def _others(author: int | None, asker: int) -> tuple[str, ...]:
    return () if author in {None, asker} else (str(author),)


# Requests of commands


def ask(question: str) -> TaskRequest:
    """An answer from the documents."""
    return TaskRequest(question, Ask())


def summarize(
    place: DiscordPlace, hours: float | None, about: str, *, since_me: bool
) -> TaskRequest:
    """A summary of a thread, or of what was said in a channel lately."""
    wanted: Wanted
    if since_me:
        wanted = SinceAsker()
    elif hours is None and place.parent is not None:
        wanted = WholeThread()
    else:
        wanted = LastHours(DEFAULT_HOURS if hours is None else hours)
    parsed = summarized(wanted, about)
    return TaskRequest(parsed.text, parsed.task, parsed.wanted)


def translate(language: str, text: str) -> TaskRequest:
    """A translation of a text."""
    code = find_language(language)
    return (
        TaskRequest(text, Translate(code))
        if code
        else TaskRequest(sentence=unknown_language(language))
    )


def write(about: str, form: Form, tone: str, length: Length) -> TaskRequest:
    """A text to be written."""
    return TaskRequest(about, Write(form, tone, length))


def complete(
    text: str, temperature: float, top_p: float, max_tokens: int, seed: int | None
) -> TaskRequest:
    """A text to be continued."""
    return TaskRequest(text, Complete(temperature, top_p, max_tokens, seed))


def sentiment(days: int) -> TaskRequest:
    """A chart of the channel's sentiment."""
    return TaskRequest(task=Report(days))


def learn(file: File | None, text: str) -> TaskRequest:
    """A document to be learned: a file, or the text."""
    if file is not None:
        return TaskRequest(file=file)
    if not text.strip():
        return TaskRequest(sentence=NOTHING_TO_LEARN)
    return TaskRequest(text, Learn(NOTE, ""))


def opt(*, is_out: bool) -> TaskRequest:
    """Opting out, or in again."""
    return TaskRequest(task=Opt(is_out=is_out))


# Requests of a message's menu


def quoted(facts: Facts) -> Quoted:
    """A message as a task reads it."""
    return Quoted(
        author=facts.author_name,
        text=text_of(facts),
        link=facts.link,
        written_at_s=facts.written_at_s,
        user=str(facts.author),
    )


def text_of(facts: Facts) -> str:
    """A message's text without markup."""
    return plain_text(facts.text, frozenset(), facts.names or {})


def translate_message(facts: Facts, locale: str) -> TaskRequest:
    """A translation into the language of the person's Discord."""
    return _about(facts, TaskRequest(text_of(facts), Translate(find_language(locale) or "en")))


def ask_about(facts: Facts, question: str) -> TaskRequest:
    """An answer to a question about the message."""
    text = text_of(facts)
    said = "\n".join(f"> {line}" for line in text.splitlines())
    words = f"{question.strip()}\n\n{facts.author_name} wrote:\n{said}".strip()
    return _about(facts, TaskRequest(words if text else ""))


def reply_to_message(facts: Facts) -> TaskRequest:
    """A draft of a reply."""
    text = text_of(facts)
    return _about(facts, TaskRequest(text, Write(Form.REPLY, reply_to=quoted(facts))))


def summarize_from_message(facts: Facts) -> TaskRequest:
    """A summary of the place from the message on."""
    task = Summarize((), "what was said from that message on")
    return TaskRequest(task=task, wanted=From(str(facts.message)))


def _about(facts: Facts, task_request: TaskRequest) -> TaskRequest:
    if not task_request.text:
        return TaskRequest(sentence=NO_WORDS)
    return TaskRequest(task_request.text, task_request.task, author=facts.author)


# Requests of reactions and settings


@dataclass(frozen=True, slots=True)
class Reaction:
    """An emoji that a person put on a message."""

    place: DiscordPlace
    message: int
    user: int
    emoji: str
    roles: frozenset[int] | None = None
    """The roles of the person; None if Discord did not send them along."""

    @property
    def access_request(self) -> AccessRequest:
        """The person and the place, as a request for access."""
        return AccessRequest(
            origin_of(self.place, self.message, self.user),
            frozenset(map(str, self.roles or ())),
            hints=AccessHints(knows_roles=self.roles is not None),
        )


def flagged(reaction: Reaction) -> Incoming | None:
    """A flag's translation, for the person who put it there; None for other emoji."""
    code = language_of_flag(reaction.emoji)
    if code is None:
        return None
    origin = dataclasses.replace(
        origin_of(reaction.place, reaction.message, reaction.user),
        act=f"{REACTION}:{reaction.emoji}:{reaction.user}",
        audience=Audience.ASKER,
    )
    request = reaction.access_request
    return Incoming(
        origin,
        "",
        ACT,
        task=Translate(code),
        wanted=Meant(),
        roles=request.roles,
        hints=request.hints,
    )


def emoji_of(act: str) -> str | None:
    """The flag emoji of a translation; None for another act."""
    kind, _, rest = act.partition(":")
    return rest.rpartition(":")[0] if kind == REACTION else None


def rating_of(facts: Facts, edited_at_s: float = 0.0) -> Incoming | None:
    """A message to be rated; None if it has no text.

    ``edited_at_s``: when its text was changed; 0 if it is the first one.
    """
    text = text_of(facts)
    task = Tag(facts.author_name, facts.link, facts.written_at_s, edited_at_s)
    act = f"{TAG}:{edited_at_s:.6f}" if edited_at_s else TAG
    return Incoming(_overheard(facts, act), text, ACT, task=task) if text else None


def translation_of(facts: Facts, language: str) -> Incoming | None:
    """A message to be translated for everybody; None if it has no text."""
    text = text_of(facts)
    task = Translate(language, is_unasked=True)
    return Incoming(_overheard(facts, TRANSLATE), text, ACT, task=task) if text else None


def taught(origin: Origin, task: Learn, text: str = "") -> Incoming:
    """A document to be learned from a message."""
    return Incoming(origin, text, ACT, task=task)


def lesson_origin(source: Facts, file: File, asked: Facts) -> Origin:
    """The origin of a file to be learned.

    It is the message that holds the file, so that both are deleted together. A message that is
    unpinned and pinned again is learned again.
    """
    pinned = f":{asked.pinned_at_s:.6f}" if asked.pinned_at_s else ""
    origin = _overheard(source, f"{LEARN}:{file.id}:{asked.message}{pinned}")
    return dataclasses.replace(origin, user=str(asked.author))


def pin_origin(facts: Facts) -> Origin:
    """The origin of a pinned message's text; each pinning is an act of its own."""
    return _overheard(facts, f"{PIN}:{facts.pinned_at_s:.6f}")


def _overheard(facts: Facts, act: str) -> Origin:
    place = facts.place
    return dataclasses.replace(
        origin_of(place, facts.message, facts.author),
        thread=str(facts.message) if place.guild and place.parent is None else "",
        act=act,
    )
