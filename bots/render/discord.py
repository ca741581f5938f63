"""Renders an answer as Discord's Markdown, in parts of at most 2,000 characters.

Discord's Markdown has no tables, no rules, no fences of tildes and no headings below the third
level; it has underlines, spoilers, mentions and masked links, which must not appear in an answer.
Mentions are broken by a zero-width space, so that they ping no one.
"""
# Pure. Uses markdown_it, wcwidth.

import re
from collections.abc import Mapping
from dataclasses import dataclass

from bots.render.blocks import ListItem, Run
from bots.render.dialect import without_fences
from bots.render.split import first_parts

NO_WIDTH = "\u200b"
NAME = re.compile(r"@(?=everyone|here|channel)", re.IGNORECASE)
MENTION = re.compile(r"<(?=@[!&]?\d|\#\d|/[^<>]*:\d|id:|t:-?\d|a?:\w+:\d|[@!\#])", re.IGNORECASE)
"""The first character of whatever Discord treats as more than text."""


def without_names(text: str) -> str:
    """The text with mentions of everyone broken; it reads as before."""
    return NAME.sub(f"@{NO_WIDTH}", text) if "@" in text else text


def without_mentions(text: str) -> str:
    """The text with all of Discord's mentions broken."""
    text = without_names(text)
    return MENTION.sub(f"<{NO_WIDTH}", text) if "<" in text else text


MAX_CONTENT_CHARS = 2000
"""Discord API docs, resources/message: content. Code points are counted (github.com/discord/
discord-api-docs/issues/1315)."""
MAX_HEADING_LEVEL = 3
CLOSING = re.compile(r"\n[> ]*(?:`{3,}|~{3,})$")
ALIKE_CHARS = 200
SIGNS = re.compile(r"[\\*_`~|(]")
SPECIAL = re.compile(
    r"\\(?![0-9A-Za-z\s])"
    r"|(?<!\s)\*|\*(?!\s|$)"
    r"|(?<![^\W_])_|_(?![^\W_])"
    r"|`|~(?=~)|(?<=~)~|\|(?=\|)|(?<=\|)\||(?<=\])\("
)
"""Characters that Discord would treat as markup."""
BEGINNING = re.compile(
    r"\A(?:(?P<number>\d+)(?P<dot>[.)])(?=\s|$)|(?:\#{1,3}|-\#|>(?:>>)?|[-+*])(?=\s|$))"
)
"""The same at the beginning of a line."""
MARKS = {"strong": "**", "em": "*", "s": "~~"}
TICKS = re.compile(r"`+")


@dataclass(frozen=True, slots=True)
class DiscordDialect:
    """Discord's Markdown. See ``dialect.Dialect``."""

    limit: int = MAX_CONTENT_CHARS
    escapes: bool = True
    joiner: str = ""
    quote: str = "> "

    @property
    def marks(self) -> Mapping[str, str]:
        """Two signs each, but one for italics."""
        return MARKS

    def measure(self, text: str) -> int:
        """Code points."""
        return len(text)

    def write(self, run: Run, *, is_first: bool) -> str:
        """Text with a backslash before apparent markup; code and addresses as they are."""
        if run.is_code:
            return _inline_code(run.text)
        if run.is_address:
            return without_mentions(run.text)
        return escape(run.text, is_first=is_first)

    def code(self, line: str) -> str:
        """Code is left as it is."""
        return without_fences(line)

    def opening(self, language: str) -> str:
        """The fence with the language, for syntax colours."""
        return f"```{language}"

    def marker(self, item: ListItem) -> str:
        """A number, or a dash."""
        return "- " if item.number is None else f"{item.number}. "

    def indent(self, item: ListItem) -> str:
        """As wide as the marker."""
        return " " * len(self.marker(item))

    def heading(self, level: int) -> tuple[str, bool]:
        """Three sizes; a smaller heading is bold."""
        return ("#" * level + " ", False) if level <= MAX_HEADING_LEVEL else ("", True)


DIALECT = DiscordDialect()


def render_for_discord(text: str, max_parts: int | None = None) -> list[str]:
    """Parts for Discord, in order. See ``split.first_parts``."""
    return first_parts(text, DIALECT, max_parts)


def escape(text: str, *, is_first: bool = True) -> str:
    """Text that Discord shows as it is, without live mentions."""
    text = without_mentions(text)
    if SIGNS.search(text):
        text = SPECIAL.sub(lambda sign: f"\\{sign[0]}", text)
    return BEGINNING.sub(_plainly, text, count=1) if is_first and BEGINNING.match(text) else text


def _plainly(match: re.Match[str]) -> str:
    return rf"{match['number']}\{match['dot']}" if match["number"] else rf"\{match[0]}"


def _inline_code(code: str) -> str:
    """As code between one or two backticks; three would begin a block."""
    lengths = {len(ticks) for ticks in TICKS.findall(code)}
    if not lengths:
        return f"`{code}`"
    free = min({1, 2} - lengths, default=0)
    return f"{'`' * free} {code} {'`' * free}" if free else escape(code, is_first=False)


def is_beginning_of(posted: str, text: str) -> bool:
    """Whether a posted message is an earlier state of a part whose current text is ``text``.

    A fence that was still open then was closed at the end of what was posted.
    """
    begun = CLOSING.sub("", posted.strip())[:ALIKE_CHARS].rstrip()
    return bool(begun) and text.strip().startswith(begun)
