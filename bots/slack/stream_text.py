"""Text of Slack's streams, and the thread of an answer. Pure.

A stream accepts Markdown and only grows. Slack may turn parts of it into links and mentions, so
addresses and control sequences are broken by a zero-width space; the final whole text is not.
"""

import re
from typing import Self

from bots.slack.parse.payloads import is_timestamp
from shared.jobs import Origin

NO_WIDTH = "\u200b"
CONTROL = re.compile(r"<(?=[@#!])|&(?=[lL#])|:(?=/)")
"""The beginning of a mention, an entity or an address. Looks one character ahead at most, so that
the stream of a text stays the beginning of the stream of a longer one."""
LOOSE_END = re.compile(r"(?:^|\n)[ \t>]*[`~]*$")
"""A last line that may be the end of code, or the renderer's own until the code has ended."""


class StreamedPart(str):
    """A part of an answer as Slack's mrkdwn, with the Markdown that it was made from."""

    __slots__ = ("markdown",)

    def __new__(cls, text: str, markdown: str) -> Self:
        """See the class."""
        made = super().__new__(cls, text)
        made.markdown = markdown
        return made

    markdown: str


def streamed(markdown: str) -> str:
    """Markdown for a stream: nothing in it becomes a link or a mention."""
    return CONTROL.sub(rf"\g<0>{NO_WIDTH}", markdown)


def streamed_so_far(markdown: str) -> str:
    """The same for a partial text, without what may yet change at its end."""
    return streamed(LOOSE_END.sub("", markdown))


def is_direct(origin: Origin) -> bool:
    """Whether a message was sent to us alone, and starts a thread of its own."""
    return origin.channel.startswith("D") and not origin.act and is_timestamp(origin.message)


def answer_thread(origin: Origin) -> str:
    """The thread that an answer is posted in; empty for none.

    In direct messages every question has one: Slack streams into threads only.
    """
    return origin.thread or (origin.message if is_direct(origin) else "")


def is_after(ts: str, origin: Origin) -> bool:
    """Whether a message was written after the question."""
    return float(ts) > float(origin.message)
