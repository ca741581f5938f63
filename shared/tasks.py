"""The tasks of jobs, in plain data: what a job asks for besides an answer to its text.

``bots`` makes them from intents, commands, menus and reactions; ``worker`` runs them. A job without
a task is a chat.
"""
# Pure.

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal


@dataclass(frozen=True, slots=True)
class Quoted:
    """A quoted channel message: data for a task, never an instruction."""

    author: str
    """The author's display name."""
    text: str
    """Plain text, like a job's."""
    link: str = ""
    """The message's URL; empty if the platform has none for it."""
    written_at_s: float = 0.0
    """Seconds since 1970."""
    user: str = ""
    """The platform's id of its author, so that it is found when they want to be forgotten; empty
    if it is not known."""


@dataclass(frozen=True, slots=True)
class Ask:
    """Answer the text, a question, from the team's documents and nothing else."""

    type: Literal["ask"] = "ask"


@dataclass(frozen=True, slots=True)
class Translate:
    """Translate the text."""

    to: str
    """ISO 639-1 code of the language, such as ``fr``."""
    is_unasked: bool = False
    """No person asked for it: where the text is in that language already the answer is empty, and
    nothing is shown."""
    type: Literal["translate"] = "translate"


@dataclass(frozen=True, slots=True)
class Summarize:
    """Summarize messages; the job's text says what the summary should cover, if anything."""

    messages: tuple[Quoted, ...]
    """Oldest first; without messages of people who opted out."""
    what: str
    """Names them in the answer's heading: ``this thread``, ``the last 4 hours``."""
    type: Literal["summarize"] = "summarize"


class Form(StrEnum):
    """The form of a text to write."""

    EMAIL = "email"
    ANNOUNCEMENT = "announcement"
    AD = "ad"
    NEWS = "news"
    REPLY = "reply"


class Length(StrEnum):
    """The length of a text to write."""

    SHORT = "short"
    MEDIUM = "medium"
    LONG = "long"


@dataclass(frozen=True, slots=True)
class Write:
    """Write something about the text."""

    form: Form
    tone: str = ""
    """In the person's words; empty for what suits the form."""
    length: Length = Length.MEDIUM
    reply_to: Quoted | None = None
    """The message that a reply is drafted to."""
    type: Literal["write"] = "write"


@dataclass(frozen=True, slots=True)
class Complete:
    """Continue the text, as a base model does: no instructions, no conversation."""

    temperature: float = 1.0
    top_p: float = 1.0
    max_new_tokens: int = 50
    seed: int | None = None
    """The same seed gives the same text again; None: a different text each time."""
    type: Literal["complete"] = "complete"


@dataclass(frozen=True, slots=True)
class Tag:
    """Rate the text's sentiment, for the report and perhaps a reaction. Owes no answer."""

    author: str
    """The author's display name."""
    link: str = ""
    written_at_s: float = 0.0
    edited_at_s: float = 0.0
    """When the text was edited, in seconds since 1970; 0 for the original text."""
    type: Literal["tag"] = "tag"


@dataclass(frozen=True, slots=True)
class Report:
    """Plot the channel's recent sentiment."""

    days: int = 30
    type: Literal["report"] = "report"


@dataclass(frozen=True, slots=True)
class Learn:
    """Add a document to those that questions in this channel are answered from."""

    name: str
    """The file name; its extension gives the format."""
    content: str
    """The file's bytes as base64; empty for a document whose text is the job's."""
    link: str = ""
    """The document's URL for people."""
    is_unasked: bool = False
    """No person asked for it: the answer is empty, and nothing is shown."""
    type: Literal["learn"] = "learn"


@dataclass(frozen=True, slots=True)
class Opt:
    """Opt out: exclude the asker's messages from summaries, ratings, documents; or undo it."""

    is_out: bool
    type: Literal["opt"] = "opt"


Task = Ask | Translate | Summarize | Write | Complete | Tag | Report | Learn | Opt
