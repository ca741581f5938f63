"""The text of summaries: numbered messages for the model, points with links for people. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shared.tasks import Quoted

NUMBER = re.compile(r"\[(\d{1,6})\]")
BULLET = re.compile(r"^[\s\-*•–]*(?:\d{1,2}[.)]\s+)?")  # noqa: RUF001 - the dash that models write
MAX_MESSAGE_CHARS = 1_000
"""The longest part of one message in a prompt; the rest is cut."""
MAX_QUOTE_CHARS = 160
MAX_LINKS = 4
"""The most links of one point."""


@dataclass(frozen=True, slots=True)
class Point:
    """One point of a summary."""

    text: str
    numbers: tuple[int, ...]
    """The numbers of the messages that it cites."""


def numbered(messages: Mapping[int, Quoted]) -> str:
    """Messages for a prompt, a line each; none can pass for another's line."""
    return "\n".join(line_of(number, message) for number, message in messages.items())


def line_of(number: int, message: Quoted) -> str:
    """One message on one line, with its number."""
    text = shortened(_on_one_line(message.text), MAX_MESSAGE_CHARS)
    return f"[{number}] {_on_one_line(message.author)}: {_without_numbers(text)}"


def points_in(answer: str, known: Mapping[int, Quoted]) -> list[Point]:
    """Parse the points of a model's answer.

    A number that was not in the prompt is dropped, and a point without one as well: an uncited
    point is
    not shown.
    """
    points = []
    for line in answer.splitlines():
        found = [int(number) for number in NUMBER.findall(line)]
        numbers = tuple(dict.fromkeys(number for number in found if number in known))
        text = BULLET.sub("", NUMBER.sub("", line), count=1).strip(" :,;")
        if numbers and text:
            points.append(Point(" ".join(text.split()), numbers))
    return points


def listed(points: Sequence[Point]) -> str:
    """Points for a prompt, a line each with their numbers."""
    return "\n".join(
        "".join(f"[{number}]" for number in point.numbers) + f" {point.text}" for point in points
    )


def shown(what: str, messages: Mapping[int, Quoted], points: Sequence[Point]) -> str:
    """The summary that people read: each point with links to its messages."""
    lines = [f"- {_plain(point.text)} ({_sources(point, messages)})" for point in points]
    return "\n".join([_heading(what, messages), *lines])


def quoted(what: str, messages: Mapping[int, Quoted], numbers: Sequence[int]) -> str:
    """A summary of quoted messages, each with its author and a link."""
    lines = []
    for number in numbers:
        message = messages[number]
        words = _plain(shortened(_on_one_line(message.text), MAX_QUOTE_CHARS))
        lines.append(f"- “{words}” ({_source(message)})")
    return "\n".join([_heading(what, messages), *lines])


def _heading(what: str, messages: Mapping[int, Quoted]) -> str:
    count = "1 message" if len(messages) == 1 else f"{len(messages)} messages"
    return f"**Summary of {what}** ({count})"


def _sources(point: Point, messages: Mapping[int, Quoted]) -> str:
    return ", ".join(_source(messages[number]) for number in point.numbers[:MAX_LINKS])


def _source(message: Quoted) -> str:
    name = _plain(_on_one_line(message.author)) or "message"
    return f"[{name}]({message.link})" if message.link else name


def shortened(text: str, max_chars: int) -> str:
    """The beginning of a text, cut between words."""
    if len(text) <= max_chars:
        return text
    return text[: max_chars - 1].rsplit(" ", 1)[0].rstrip() + "…"


def _on_one_line(text: str) -> str:
    return " ".join(text.split())


def _without_numbers(text: str) -> str:
    """Remove numbers, so that a message cannot claim to be another one."""
    return NUMBER.sub(r"(\1)", text)


def _plain(text: str) -> str:
    """Remove anything that Markdown would read as a link or a heading."""
    return re.sub(r"([\[\]\\`*_~|<>])", r"\\\1", text)
