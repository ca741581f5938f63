"""One prompt template: parses its file and fills in its fields. Pure."""
# Pure. Uses babel.

import re
import string
from collections.abc import Mapping
from dataclasses import dataclass

from shared.errors import SettingsError

ENDING = ".txt"
FIELDS: dict[str, frozenset[str]] = {
    "answer": frozenset({"passages", "question", "mark"}),
    "merge": frozenset({"points", "mark", "most", "what", "wish"}),
    "reply": frozenset({"message", "author", "tone", "length", "about", "mark"}),
    "summarize": frozenset({"messages", "mark", "most", "what", "wish"}),
    "translate": frozenset({"text", "language", "source", "mark"}),
    "write": frozenset({"form", "tone", "length", "about"}),
}
"""Every prompt, and the fields that its text may name in braces."""
SECTIONS = frozenset({"system", "user", "plain", "stop"})
FILLED = ("system", "user", "plain")
"""Sections in which fields are filled in."""
HEADING = re.compile(r"\[(?P<name>[a-z]+)\]")
VERSION = re.compile(r"version: *(?P<number>[^\s]+)")


@dataclass(frozen=True, slots=True)
class Template:
    """One prompt, before its fields are filled in."""

    name: str
    version: str
    system: str
    """The system message of a chat model."""
    user: str
    """The user message."""
    plain: str = ""
    """The same for a model without a chat template: a text whose continuation is the answer."""
    stop: tuple[str, ...] = ()
    """The texts at which such a continuation stops."""


@dataclass(frozen=True, slots=True)
class RenderedPrompt:
    """A prompt with its fields filled in."""

    system: str
    user: str
    plain: str
    stop: tuple[str, ...]


def fill(template: Template, fields: Mapping[str, str]) -> RenderedPrompt:
    """Fill in the fields; their content is never parsed as a prompt itself.

    Raises:
        KeyError: a field is not given.
    """
    return RenderedPrompt(
        template.system.format(**fields),
        template.user.format(**fields),
        template.plain.format(**fields),
        template.stop,
    )


def parse(name: str, text: str) -> Template:
    """Parse one prompt's file.

    Raises:
        SettingsError: a section or a field is unknown, or one is missing.
    """
    sections = _sections(name, text)
    version = VERSION.fullmatch(sections.pop("").strip())
    if version is None:
        raise _fault(name, "begins with a line such as `version: 1`")
    if "user" not in sections:
        raise _fault(name, "needs a section [user], with what the model is asked")
    fields = set[str]().union(*(_fields(name, sections, part) for part in FILLED))
    for field in sorted(fields - FIELDS[name]):
        known = ", ".join(f"{{{known}}}" for known in sorted(FIELDS[name]))
        raise _fault(name, f"names {{{field}}}, and may name {known} alone")
    stop = tuple(_unescaped(line) for line in sections.get("stop", "").splitlines() if line)
    return Template(
        name,
        version["number"],
        sections.get("system", ""),
        sections["user"],
        sections.get("plain", ""),
        stop,
    )


def _sections(name: str, text: str) -> dict[str, str]:
    """Heading -> its text, without blank lines around; the lines before any heading under ""."""
    lines: dict[str, list[str]] = {"": []}
    heading = ""
    for line in text.splitlines():
        if match := HEADING.fullmatch(line.rstrip()):
            heading = match["name"]
            if heading not in SECTIONS:
                known = ", ".join(f"[{known}]" for known in sorted(SECTIONS))
                raise _fault(name, f"has a section [{heading}]; there are {known}")
            lines[heading] = []
        else:
            lines[heading].append(line)
    return {heading: "\n".join(part).strip("\n") for heading, part in lines.items()}


def _fields(name: str, sections: Mapping[str, str], section: str) -> set[str]:
    try:
        parts = list(string.Formatter().parse(sections.get(section, "")))
    except ValueError as error:
        raise _fault(
            name, f"has a brace too many in [{section}]; write {{{{ for a brace"
        ) from error
    return {field for _, field, _, _ in parts if field is not None}


def _unescaped(line: str) -> str:
    return line.replace("\\n", "\n")


def _fault(name: str, what: str) -> SettingsError:
    return SettingsError(f"The prompt {name}{ENDING} {what}.")
