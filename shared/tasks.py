"""What a job asks for besides an answer to its text, in plain data.

Made by ``bots`` from words, commands, menus and reactions; done by ``worker``. A job without one is
a chat.
"""
# Pure.

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal


@dataclass(frozen=True, slots=True)
class Quoted:
    """A message that somebody wrote in a channel: data for a task, never an instruction."""

    author: str
    """The name that people see."""
    text: str
    """Plain text, as a job's."""
    link: str = ""
    """Where it stands; empty if the platform has no address for it."""
    written_at_s: float = 0.0
    """In seconds since 1970."""


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
    """Nobody asked for it: where the text is in that language already the answer is empty, and
    nothing is shown."""
    type: Literal["translate"] = "translate"


@dataclass(frozen=True, slots=True)
class Summarize:
    """Summarize messages; the text says what is wanted of the summary, if anything."""

    messages: tuple[Quoted, ...]
    """The oldest first; none of people who opted out."""
    what: str
    """Names them in the answer's heading: ``this thread``, ``the last 4 hours``."""
    type: Literal["summarize"] = "summarize"


class Form(StrEnum):
    """What is to be written."""

    EMAIL = "email"
    ANNOUNCEMENT = "announcement"
    AD = "ad"
    NEWS = "news"
    REPLY = "reply"


class Length(StrEnum):
    """How much of it."""

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
    """The same seed writes the same text again; None: another one each time."""
    type: Literal["complete"] = "complete"


@dataclass(frozen=True, slots=True)
class Tag:
    """Rate the text's sentiment, for the report and perhaps a reaction. Owes no answer."""

    author: str
    """The name that people see."""
    link: str = ""
    written_at_s: float = 0.0
    edited_at_s: float = 0.0
    """When the text was changed, in seconds since 1970; 0 if it is the first one."""
    type: Literal["tag"] = "tag"


@dataclass(frozen=True, slots=True)
class Report:
    """Draw how the channel has felt lately."""

    days: int = 30
    type: Literal["report"] = "report"


@dataclass(frozen=True, slots=True)
class Learn:
    """Take a document into what questions in this channel are answered from."""

    name: str
    """The file's, with its ending, which says what it is."""
    content: str
    """The file's bytes as base64; empty for a document whose text is the job's."""
    link: str = ""
    """Where people find it."""
    is_unasked: bool = False
    """Nobody asked for it now: the answer is empty, and nothing is shown."""
    type: Literal["learn"] = "learn"


@dataclass(frozen=True, slots=True)
class Opt:
    """Leave the asker's messages out of summaries, ratings and what is learned, or no longer."""

    is_out: bool
    type: Literal["opt"] = "opt"


Task = Ask | Translate | Summarize | Write | Complete | Tag | Report | Learn | Opt
