"""From a person's words to the task that they ask for. Pure.

``parse_words`` reads what follows a mention, ``parse_command`` what follows ``/parley``. What is
not clearly a task stays a chat.
"""

from dataclasses import dataclass

from bots.gathering import Wanted
from shared.tasks import Task


@dataclass(frozen=True, slots=True)
class Parsed:
    """What somebody asks for."""

    task: Task | None
    """None: a chat."""
    text: str
    """What the task or the chat is about; empty if the messages alone say it."""
    wanted: Wanted | None = None
    """The messages that it works on, if they have to be fetched."""
    is_private: bool = False
    """Whether the answer is for the person who asks alone."""
    answer: str = ""
    """What the person reads at once, and nothing is asked of anybody: help, or what is wrong."""


def parse_words(text: str, *, in_thread: bool = False) -> Parsed:
    """Read a message to us.

    Args:
        text: the message, without the mention that called us.
        in_thread: whether it stands in a thread or a chain of replies, which a bare ``tl;dr``
            means then.
    """
    del in_thread
    return Parsed(None, text)


def parse_command(words: str) -> Parsed:
    """Read what stands behind ``/parley``: a subcommand and its words.

    The subcommands are ask, summarize, translate, write, complete, sentiment, learn, opt-out,
    opt-in, new and help. ``new`` is a chat whose text is ``/new``, as intake reads it. Anything
    else is a chat.
    """
    return Parsed(None, words)
