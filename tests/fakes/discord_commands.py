"""Refuses commands, buttons and forms that Discord would refuse, by the limits of their pages.

Pure: request bodies in, nothing out, or the ApiError that Discord would answer. Sources:
Application Commands (Application Command Object, Naming), Component Reference (Button, Label,
Action Row), Receiving and Responding (Modal).
"""

import unicodedata
from collections.abc import Iterable, Iterator

from tests.fakes import discord_settings as limits
from tests.fakes.discord_errors import api_error, form_error, required, too_long
from tests.fakes.discord_settings import Json

SLASH = 1
MAX_NAME_CHARS = 32
MAX_DESCRIPTION_CHARS = 100
MAX_OPTIONS = 25
MAX_CHOICE_CHARS = 100
MAX_TITLE_CHARS = 45
MAX_CUSTOM_ID_CHARS = 100
MAX_FIELDS = 5
"""Of a form, and of a row of buttons."""
ACTION_ROW, LABEL = 1, 18
NAME_EXTRAS = "-_'"


def check_commands(commands: list[Json]) -> None:
    """Names are there, short, well formed and unique in their type; not too many."""
    seen: dict[int, set[str]] = {}
    for index, command in enumerate(commands):
        _check_command(str(index), command)
        names = seen.setdefault(command.get("type", SLASH), set())
        name = str(command["name"])
        if name in names:
            code = "APPLICATION_COMMANDS_DUPLICATE_NAME"
            raise form_error(str(index), code, "Application command names must be unique")
        names.add(name)
    for kind, names in seen.items():
        if len(names) > limits.MAX_COMMANDS_PER_TYPE.get(kind, 1):
            raise api_error(400, 30032)


def _check_command(path: str, command: Json) -> None:
    is_slash = command.get("type", SLASH) == SLASH
    _check_names(path, command, is_slash=is_slash)
    if not is_slash:
        return
    _check_descriptions(path, command)
    options = command.get("options") or []
    if len(options) > MAX_OPTIONS:
        raise too_long(f"{path}.options", MAX_OPTIONS)
    _check_unique(f"{path}.options", options)
    for number, option in enumerate(options):
        here = f"{path}.options.{number}"
        _check_names(here, option, is_slash=True)
        _check_descriptions(here, option)
        for choice in option.get("choices") or []:
            for text in _all(choice, "name"):
                _check_length(f"{here}.choices", text, MAX_CHOICE_CHARS)


def _all(thing: Json, field: str) -> list[str]:
    """A text in every language."""
    return [str(thing.get(field) or ""), *(thing.get(f"{field}_localizations") or {}).values()]


def _check_names(path: str, thing: Json, *, is_slash: bool) -> None:
    for name in _all(thing, "name"):
        _check_length(f"{path}.name", name, MAX_NAME_CHARS)
        if is_slash and not _is_name(name):
            text = "Command name is invalid"
            raise form_error(f"{path}.name", "APPLICATION_COMMAND_INVALID_NAME", text)


def _is_name(name: str) -> bool:
    """Letters, numbers, dashes and underscores, all in lower case."""
    kinds = {unicodedata.category(char)[0] for char in name if char not in NAME_EXTRAS}
    return kinds <= {"L", "N"} and name == name.lower()


def _check_descriptions(path: str, thing: Json) -> None:
    for text in _all(thing, "description"):
        _check_length(f"{path}.description", text, MAX_DESCRIPTION_CHARS)


def _check_length(path: str, text: str, limit: int) -> None:
    if not text:
        raise required(path)
    if len(text) > limit:
        raise too_long(path, limit)


def _check_unique(path: str, options: list[Json]) -> None:
    locales = {locale for o in options for locale in o.get("name_localizations") or {}}
    for locale in (None, *locales):
        names = [(o.get("name_localizations") or {}).get(locale, o.get("name")) for o in options]
        if len(set(names)) < len(names):
            code = "APPLICATION_COMMAND_OPTIONS_NAME_INVALID"
            raise form_error(path, code, "Option names must be unique")


def check_form(data: Json) -> None:
    """A form has a title, one to five fields with short labels, and ids of its own."""
    _check_length("data.title", str(data.get("title") or ""), MAX_TITLE_CHARS)
    fields = data.get("components") or []
    if not fields:
        raise required("data.components")
    if len(fields) > MAX_FIELDS:
        raise too_long("data.components", MAX_FIELDS)
    for number, field in enumerate(fields):
        if field.get("type") == LABEL:
            label = str(field.get("label") or "")
            _check_length(f"data.components.{number}.label", label, MAX_TITLE_CHARS)
            said = str(field.get("description") or "")
            if len(said) > MAX_DESCRIPTION_CHARS:
                raise too_long(f"data.components.{number}.description", MAX_DESCRIPTION_CHARS)
    check_ids([data, *fields])


def check_rows(components: list[Json]) -> None:
    """A row holds at most five buttons, a message at most five rows."""
    rows = [c for c in components if c.get("type") == ACTION_ROW]
    if len(rows) > MAX_FIELDS or any(len(row["components"]) > MAX_FIELDS for row in rows):
        raise too_long("components", MAX_FIELDS)
    check_ids(components)


def check_ids(components: Iterable[Json]) -> None:
    """Ids of components are short, and each is there once."""
    ids = list(_ids_of(components))
    if any(len(one) > MAX_CUSTOM_ID_CHARS for one in ids):
        raise too_long("components.custom_id", MAX_CUSTOM_ID_CHARS)
    if len(set(ids)) < len(ids):
        code = "COMPONENT_CUSTOM_ID_DUPLICATED"
        raise form_error("components", code, "Component custom id cannot be duplicated")


def _ids_of(components: Iterable[Json]) -> Iterator[str]:
    pending = list(components)
    while pending:
        component = pending.pop()
        if component.get("custom_id"):
            yield str(component["custom_id"])
        if component.get("type") is not None:
            pending += component.get("components") or []
            pending += filter(None, [component.get("component"), component.get("accessory")])
