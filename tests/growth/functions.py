"""The public functions that read what people, files, pages and models write, and calls of them.

A call is made from the types of a function's parameters: its texts are the one that is tried, its
records hold it. What cannot be made so has a call in ``CALLS``, or a reason in ``LEFT_OUT``.
"""

import collections.abc
import dataclasses
import enum
import importlib
import inspect
import pkgutil
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime
from typing import Any

SCOPE = (
    "bots.incoming",
    "bots.render",
    "bots.slack.parse",
    "bots.slack.stream_text",
    "bots.discord.parse",
    "shared.jobs",
    "shared.languages",
    "shared.ledger.codec",
    "shared.logs",
    "shared.preferences",
    "shared.replies",
    "shared.tasks",
    "worker.engine.remote.refusal",
    "worker.engine.remote.stream",
    "worker.engine.thinking",
    "worker.knowledge.answers",
    "worker.knowledge.chunks",
    "worker.knowledge.documents",
    "worker.knowledge.lexical",
    "worker.knowledge.readers",
    "worker.knowledge.relevance",
    "worker.knowledge.sanitize",
    "worker.knowledge.visibility",
    "worker.prompts",
    "worker.sentiment.cleaning",
    "worker.sentiment.features",
    "worker.sentiment.report",
    "worker.tasks.languages",
    "worker.tasks.masking",
    "worker.tasks.summarize",
    "worker.tasks.summary_text",
    "worker.tasks.translate",
)
"""Packages with all their modules, and modules."""
PIECE_CHARS = 40
"""Of the text, for each item where a function takes many."""


class CannotMakeError(Exception):
    """A parameter whose type does not say how to make a value with a text."""


def functions_in(scope: tuple[str, ...] = SCOPE) -> dict[str, Callable[..., Any]]:
    """The public functions of the modules in scope by their full names."""
    found: dict[str, Callable[..., Any]] = {}
    for module in _modules(scope):
        for name, value in vars(module).items():
            if name.startswith("_") or not callable(value) or inspect.isclass(value):
                continue
            function = inspect.unwrap(value)
            if inspect.isfunction(function) and function.__module__ == module.__name__:
                found[f"{module.__name__}.{name}"] = value
    return found


def _modules(scope: tuple[str, ...]) -> Iterator[types.ModuleType]:
    for name in scope:
        module = importlib.import_module(name)
        yield module
        for inner in pkgutil.walk_packages(getattr(module, "__path__", ()), f"{name}."):
            yield importlib.import_module(inner.name)


def takes_text(function: Callable[..., Any]) -> bool:
    """Whether a text could be in any of its parameters."""
    hints = typing.get_type_hints(inspect.unwrap(function))
    hints.pop("return", None)
    return any(_may_hold_text(hint, frozenset()) for hint in hints.values())


def _may_hold_text(hint: Any, seen: frozenset[Any]) -> bool:  # noqa: ANN401 - a type
    if hint in {int, float, bool, None, types.NoneType, datetime} or hint in seen:
        return False
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return False
    if dataclasses.is_dataclass(hint):
        inner = typing.get_type_hints(hint)
        return any(_may_hold_text(inner[f.name], seen | {hint}) for f in dataclasses.fields(hint))
    if typing.get_origin(hint) is typing.Literal:
        return False
    if parts := typing.get_args(hint):
        return any(_may_hold_text(part, seen) for part in parts if part is not ...)
    return True


def call_of(name: str, function: Callable[..., Any]) -> Callable[[str], object]:
    """Calls a function with a text.

    Raises:
        CannotMakeError: its parameters' types do not say how, and ``CALLS`` has none.
    """
    from tests.growth.calls import CALLS  # noqa: PLC0415 - it imports what it calls

    if made := CALLS.get(name):
        return made
    signature = inspect.signature(inspect.unwrap(function))
    hints = typing.get_type_hints(inspect.unwrap(function))
    wanted = [
        parameter
        for parameter in signature.parameters.values()
        if parameter.default is parameter.empty or hints.get(parameter.name) is str
    ]
    if any(parameter.kind is parameter.VAR_POSITIONAL for parameter in wanted):
        raise CannotMakeError(name)
    value_of({p.name: hints[p.name] for p in wanted}, "a")

    def call(text: str) -> object:
        values = {p.name: value_of(hints[p.name], text) for p in wanted}
        first = [values.pop(p.name) for p in wanted if p.kind is not p.KEYWORD_ONLY]
        made = function(*first, **values)
        return list(made) if isinstance(made, collections.abc.Iterator) else made

    return call


PLAIN: Mapping[Any, Any] = {int: 1, float: 1.0, bool: False, None: None, types.NoneType: None}
MANY = (
    collections.deque,
    list,
    tuple,
    set,
    frozenset,
    collections.abc.Sequence,
    collections.abc.Iterable,
    collections.abc.Iterator,
    collections.abc.Collection,
    collections.abc.Set,
)


def value_of(hint: Any, text: str) -> Any:  # noqa: ANN401, PLR0911 - of any type
    """A value of a type, with the text wherever it can be."""
    if isinstance(hint, dict):
        return {name: value_of(inner, text) for name, inner in hint.items()}
    if hint is str:
        return text
    if hint is bytes:
        return text.encode("utf-8", "replace")
    if hint in PLAIN:
        return PLAIN[hint]
    if hint in {datetime, date}:
        return hint.fromisoformat("2026-01-01").replace(
            **({"tzinfo": UTC} if hint is datetime else {})
        )
    if hint in {Any, object}:
        return text
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return next(iter(hint))
    if dataclasses.is_dataclass(hint):
        return _record(hint, text)
    return _composed(hint, text)


def _record(hint: Any, text: str) -> Any:  # noqa: ANN401 - a dataclass
    """A record; of what need not be given, its texts alone."""
    inner = typing.get_type_hints(hint)
    values = {}
    for one in dataclasses.fields(hint):
        is_needed = one.default is one.default_factory is dataclasses.MISSING
        if one.init and (is_needed or (inner[one.name] is str and one.name in {"text", "content"})):
            values[one.name] = value_of(inner[one.name], text)
    return hint(**values)


def _composed(hint: Any, text: str) -> Any:  # noqa: ANN401, C901, PLR0911 - a generic type
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin in {typing.Union, types.UnionType}:
        for part in parts:
            try:
                return value_of(part, text)
            except CannotMakeError:
                continue
    if origin is typing.Literal:
        return parts[0]
    if origin is tuple and parts and parts[-1] is not ...:
        return tuple(value_of(part, text) for part in parts)
    if origin in MANY and parts:
        items = [value_of(parts[0], piece) for piece in _pieces(text)]
        if origin in {set, frozenset, collections.abc.Set}:
            return frozenset(items)
        if origin is collections.abc.Iterator:
            return iter(items)
        return origin(items) if origin in {list, collections.deque} else tuple(items)
    if origin is dict and parts == (str, Any):
        return payload_of(text)
    if origin in {dict, collections.abc.Mapping}:
        keys = (1, 2) if parts[0] is int else ("a", "text")
        return {key: value_of(parts[1], text) for key in keys}
    raise CannotMakeError(str(hint))


def payload_of(text: str) -> dict[str, Any]:
    """A platform's event with the text wherever a person's words are."""
    event = {
        "type": "message",
        "text": text,
        "user": "U1",
        "channel": "C1",
        "ts": "1700000000.000100",
        "files": [{"id": "F1", "name": text, "mimetype": text}],
        "item": {"type": "message", "channel": "C1", "ts": "1.2", "message": {"text": text}},
        "reaction": text,
        "name": text,
    }
    command = {
        "command": "/parley",
        "channel_id": "C1",
        "channel_name": text,
        "user_id": "U1",
        "trigger_id": "1",
        "team_id": "T1",
        "api_app_id": "A1",
        "callback_id": "translate",
        "message": event,
        "channel": {"id": "C1", "name": text},
    }
    return {**event, **command, "channel": "C1", "event": event, "event_id": text}


def _pieces(text: str) -> list[str]:
    return [text[at : at + PIECE_CHARS] for at in range(0, len(text), PIECE_CHARS)]
