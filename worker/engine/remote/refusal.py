"""What a server says when it refuses a request: its status, the parameters it names, its words."""
# Pure.

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

BUSY: Final = frozenset({408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 529})
"""Statuses that pass, of servers and of proxies before them."""
SERVER_FAULT: Final = 500
NOT_SAID: Final = frozenset({"input", "ctx", "url", "body"})
"""Fields of a validation error that repeat what was sent, or link to a manual."""
MAX_CHARS: Final = 2000
IN_BODY: Final = re.compile(r"loc['\"]?:\s*[(\[]\s*['\"]body['\"],\s*['\"](\w+)['\"]")
"""A validation error of pydantic, printed into a message (SGLang)."""
TOO_LONG: Final = re.compile(
    r"context[ _](length|size|window)|maximum context|exceed_context|prompt is too long"
    r"|too many tokens",
    re.IGNORECASE,
)
OF_TURNS: Final = re.compile(
    r"\broles?\b|\bsystem\b|alternat|chat template|jinja|template", re.IGNORECASE
)
OF_TEMPLATE: Final = re.compile(
    r"jinja|chat[ _]template|conversation roles|must alternate|system role"
    r"|^(?>.*?template).*?(?:raise|error)",
    re.IGNORECASE | re.MULTILINE,
)
"""llama.cpp's server answers 500 to what its model's template refuses."""
OF_PREFILL: Final = re.compile(
    r"prefill|last role|(final|last) message|continue_final_message", re.IGNORECASE
)
ALIASES: Final = {
    "reasoning_effort": re.compile(
        r"reasoning_effort|reasoning[ .]effort|\bthinking\b|\bthink\b", re.IGNORECASE
    ),
    "chat_template_kwargs": re.compile("chat_template_kwargs|enable_thinking", re.IGNORECASE),
    "stream_options": re.compile(
        "stream_options|include_usage|continuous_usage_stats", re.IGNORECASE
    ),
}
BY_TYPE: Final = re.compile(r"invalid_request|bad_?request|validation|not_?found", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A refused request."""

    status: int
    words: str = ""
    """May repeat what people wrote: for no log."""
    named: tuple[str, ...] = ()
    """Parameters in the fields that are made for them."""

    @property
    def is_too_long(self) -> bool:
        """Whether the prompt does not fit."""
        return bool(TOO_LONG.search(self.words))

    @property
    def is_of_turns(self) -> bool:
        """Whether it may be about the roles of messages and their order."""
        pattern = OF_TEMPLATE if self.status in BUSY else OF_TURNS
        return bool(pattern.search(self.words))

    @property
    def may_pass(self) -> bool:
        """Whether the same request may be accepted later."""
        is_of_request = self.status == SERVER_FAULT and (self.is_of_turns or self.is_of_prefill)
        return self.status in BUSY and not is_of_request

    @property
    def is_of_prefill(self) -> bool:
        """Whether it is about an answer that has begun."""
        return bool(OF_PREFILL.search(self.words))

    def names(self, parameter: str) -> bool:
        """Whether it is about a parameter."""
        if parameter in self.named:
            return True
        if (alias := ALIASES.get(parameter)) is not None:
            return alias.search(self.words) is not None
        return re.search(rf"\b{re.escape(parameter)}\b", self.words, re.IGNORECASE) is not None


def refusal_of(status: int, text: str) -> Refusal:
    """Read the body of a refusal, whatever it is."""
    try:
        said = json.loads(text)
    except ValueError:
        said = text
    return refusal_in(status, said)


def refusal_in(status: int, said: object) -> Refusal:
    """Read what a server says in JSON."""
    words = "\n".join(_words(said))[:MAX_CHARS]
    named = (*_named(said), *IN_BODY.findall(words))
    if "'input':" in words and named:
        words = words.partition("'input':")[0]
    return Refusal(status, words, named)


def status_of(error: object) -> int:
    """The status of an error that came in a stream: 400 for a fault of the request, else 500."""
    if not isinstance(error, dict):
        return SERVER_FAULT
    for name in ("status_code", "status", "code"):
        if str(error.get(name)).isdigit():
            return int(error[name])
    kind = f"{error.get('type')} {error.get('code')}"
    return 400 if BY_TYPE.search(kind) or TOO_LONG.search(kind) else SERVER_FAULT


def _words(said: object) -> Iterator[str]:
    if isinstance(said, str):
        yield said
    elif isinstance(said, dict):
        for name, value in said.items():
            if name not in NOT_SAID and name != "loc":
                yield from _words(value)
    elif isinstance(said, list):
        for value in said:
            yield from _words(value)


def _named(said: Any) -> Iterator[str]:  # noqa: ANN401 - JSON
    if isinstance(said, dict):
        for name, value in said.items():
            if name == "param" and isinstance(value, str):
                yield value
            elif name == "loc" and isinstance(value, list):
                yield from (part for part in value[1:2] if isinstance(part, str))
            elif name not in NOT_SAID:
                yield from _named(value)
    elif isinstance(said, list):
        for value in said:
            yield from _named(value)
