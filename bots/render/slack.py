"""Renders an answer as Slack's mrkdwn, in parts that ``chat.update`` accepts.

Every ``&``, ``<`` and ``>`` of the model is escaped, so that no output can hold a live mention.
mrkdwn has no way to escape its marks: a zero-width space after one makes it plain text.
"""
# Pure. Uses markdown_it, wcwidth.

import re
from collections.abc import Mapping
from dataclasses import dataclass

from bots.render.blocks import ListItem, Run
from bots.render.dialect import without_fences
from bots.render.discord import NO_WIDTH, without_names
from bots.render.split import first_parts

MAX_TEXT_BYTES = 3500
"""``chat.update`` answers ``msg_too_long`` above some 4,000, which Slack once called bytes."""
MARKS = {"strong": "*", "em": "_", "s": "~"}
BULLET = "• "
INDENT = " " * 4
SIGNS = re.compile("[`*~_]")
SIGN = re.compile(r"`|[*~](?=\S)|(?<![^\W_])_(?=\S)|_(?=_)")
"""The beginning of anything that Slack formats."""
BEGINNING = re.compile(r"&gt;|•|\d+\.\s")
"""What would look like a quote or an item at the beginning of a line."""


@dataclass(frozen=True, slots=True)
class SlackDialect:
    """Slack's mrkdwn. See ``dialect.Dialect``."""

    limit: int = MAX_TEXT_BYTES
    escapes: bool = False
    joiner: str = NO_WIDTH
    quote: str = "> "

    @property
    def marks(self) -> Mapping[str, str]:
        """One sign each."""
        return MARKS

    def measure(self, text: str) -> int:
        """Bytes of UTF-8: a text within a limit in bytes is within it in characters, too."""
        return len(text) if text.isascii() else len(text.encode())

    def write(self, run: Run, *, is_first: bool) -> str:
        """Text without formatting; code and addresses as they are."""
        if run.is_code:
            code = escape(run.text)
            return f"`{code}`" if "`" not in code else _plain(run.text, is_first=is_first)
        if run.is_address and "`" not in run.text:
            return escape(without_names(run.text))
        return _plain(run.text, is_first=is_first)

    def code(self, line: str) -> str:
        """Code is left as it is, but for Slack's control characters."""
        return escape(without_fences(line))

    def opening(self, language: str) -> str:
        """The fence without the language: Slack colours nothing, and would show it as code."""
        del language
        return "```"

    def marker(self, item: ListItem) -> str:
        """A number, or a bullet."""
        return BULLET if item.number is None else f"{item.number}. "

    def indent(self, item: ListItem) -> str:
        """The same for all items."""
        del item
        return INDENT

    def heading(self, level: int) -> tuple[str, bool]:
        """Headings are bold: mrkdwn has no sizes."""
        del level
        return "", True


DIALECT = SlackDialect()


def render_for_slack(text: str, max_parts: int | None = None) -> list[str]:
    """Parts for Slack, in order. See ``split.first_parts``."""
    return first_parts(text, DIALECT, max_parts)


def escape(text: str) -> str:
    """Slack's three control characters as entities (docs.slack.dev, formatting message text)."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _plain(text: str, *, is_first: bool = True) -> str:
    plain = without_names(text)
    if SIGNS.search(plain):
        plain = SIGN.sub(lambda sign: sign[0] + NO_WIDTH, plain)
    plain = escape(plain)
    return f"{NO_WIDTH}{plain}" if is_first and BEGINNING.match(plain) else plain
