"""The documents say what the code does: tables, links and numbers are compared with it."""

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import discord
import pydantic_core
import pytest
import typer
from markdown_it import MarkdownIt

from shared import errors
from shared.cli import backup
from shared.cli.app import app
from shared.cli.sessions import FINAL_EXIT_CODES
from shared.ledger import keys
from shared.settings import KEYS, Settings

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCUMENTS = [
    ROOT / "README.md",
    ROOT / "CHANGELOG.md",
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]
PERMISSIONS = {
    "View Channels": "view_channel",
    "Send Messages": "send_messages",
    "Read Message History": "read_message_history",
    "Send Messages in Threads": "send_messages_in_threads",
    "Create Public Threads": "create_public_threads",
    "Embed Links": "embed_links",
    "Attach Files": "attach_files",
    "Add Reactions": "add_reactions",
    "Manage Messages": "manage_messages",
}
"""Discord's words for the permissions -> discord.py's."""
LEVELS = {"debug", "info", "warning", "error", "exception"}
NONE = "none"
FOLDERS = {
    "PARLEY_DATA_DIR": "the user's data folder",
    "PARLEY_CACHE_DIR": "the user's cache folder",
}


def section(heading: str) -> str:
    """The README's text below a heading, as far as the next one."""
    found = re.search(
        rf"^#+ {re.escape(heading)}\n(.*?)(?=^#+ |\Z)", README, re.MULTILINE | re.DOTALL
    )
    assert found, f"README.md has no section {heading}"
    return found[1]


def rows(heading: str) -> list[list[str]]:
    """The cells of every row of the first table below a heading, without the table's head."""
    lines = iter(section(heading).splitlines())
    table: list[str] = []
    for line in lines:
        if line.startswith("|"):
            table.append(line)
        elif table:
            break
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table[2:]]


def links(document: Path) -> Iterator[str]:
    """Every relative link of a document."""
    for block in MarkdownIt("commonmark").parse(document.read_text(encoding="utf-8")):
        for token in block.children or []:
            target = str(token.attrs.get("href", ""))
            if target and "://" not in target and not target.startswith("mailto:"):
                yield target


def anchors(document: Path) -> set[str]:
    """The addresses of a document's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", document.read_text(encoding="utf-8"), re.MULTILINE)
    plain = [re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings]
    return {heading.replace(" ", "-") for heading in plain}


def shown_default(key: str, default: object) -> str:
    """A default as the settings table shows it."""
    if default is pydantic_core.PydanticUndefined:
        return FOLDERS[key]
    if default is None or default in (frozenset(), {}):
        return NONE
    if isinstance(default, frozenset):
        return f"`{','.join(sorted(default))}`"
    value = f"{default:g}" if isinstance(default, bool | float) else str(default)
    return f"`{value}`"


def test_settings_table_lists_every_setting_with_its_default_and_meaning() -> None:
    expected = [
        [f"`{field.alias}`", shown_default(str(field.alias), field.default), field.description]
        for field in Settings.model_fields.values()
    ]

    assert rows("Settings") == expected
    assert len(expected) == len(KEYS)


def test_exit_code_table_lists_every_start_up_fault_with_its_code() -> None:
    faults = {
        name: kind.exit_code
        for name, kind in vars(errors).items()
        if isinstance(kind, type)
        and issubclass(kind, errors.StartupError)
        and kind is not errors.StartupError
    }

    shown = {name.strip("`"): int(code) for code, name, *_ in rows("Exit codes") if name != NONE}

    assert shown == faults


def test_exit_code_table_says_no_where_parley_up_does_not_start_again() -> None:
    final = {int(code) for code, *_, again in rows("Exit codes") if again == "no"}

    assert final == FINAL_EXIT_CODES


def test_commands_table_lists_every_command() -> None:
    group = typer.main.get_command(app)
    names = set(getattr(group, "commands", {}))

    shown = [command.strip("`").removeprefix("parley ") for command, _ in rows("Commands")]

    assert names
    assert sorted(shown) == sorted(names)


def test_makefile_table_lists_targets_that_are_there() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")

    for command, _ in rows("Two commands"):
        target = command.strip("`").removeprefix("make ")
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)


def test_discord_permissions_are_those_named_and_add_up() -> None:
    *named, total = rows("Discord")
    values = {
        words: discord.Permissions(**{permission: True}).value
        for words, permission in PERMISSIONS.items()
    }

    assert {words: int(value) for words, value, _ in named} == values
    assert int(total[1].strip("*")) == sum(values.values())
    [invited] = re.findall(r"permissions=(\d+)", section("Discord"))
    assert discord.Permissions(int(invited)) == discord.Permissions(
        **dict.fromkeys(PERMISSIONS.values(), True)
    )


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_relative_links_lead_to_what_is_there(document: Path) -> None:
    broken = []
    for link in links(document):
        place, _, anchor = link.partition("#")
        target = document.parent / place if place else document
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)

    assert broken == []


PATHS = re.compile(r"`((?:bots|worker|shared|tests|docs|deploy)/[\w/.-]*\w/?)`")


@pytest.mark.parametrize(
    "document",
    [each for each in DOCUMENTS if each.name != "CHANGELOG.md"],  # it says what was
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_every_file_that_a_document_names_is_there(document: Path) -> None:
    named = PATHS.findall(document.read_text(encoding="utf-8"))

    assert [path for path in named if not (ROOT / path).exists()] == []


def test_contributing_says_for_thirty_changes_which_file_to_open() -> None:
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    rows = re.findall(
        r"^\| ([^|]+) \| (`[^|]+`) \|$", page.partition("## Where things are")[2], re.MULTILINE
    )

    assert len(rows) >= 30
    assert [wish for wish, files in rows if not PATHS.findall(files)] == []


def log_events() -> set[str]:
    """The event of every log line that our code writes."""
    return {
        str(call.args[0].value)
        for package in ("bots", "shared", "worker")
        for file in (ROOT / package).rglob("*.py")
        for call in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and isinstance(call.func.value, ast.Name)
        and call.func.value.id == "log"
        and call.func.attr in LEVELS
        and isinstance(call.args[0], ast.Constant)
    }


def test_operations_page_explains_every_log_event() -> None:
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")

    assert {event for event in log_events() if f"`{event}`" not in page} == set()


def test_documents_name_no_setting_that_is_not_there() -> None:
    unknown = {
        f"{document.name}: {key}"
        for document in DOCUMENTS
        for key in re.findall(r"\bPARLEY_[A-Z_]*[A-Z]\b", document.read_text(encoding="utf-8"))
        if key not in KEYS
    }

    assert unknown == set()


def test_every_test_that_is_named_as_a_proof_is_there() -> None:
    page = (ROOT / "docs" / "what-people-ask-for.md").read_text(encoding="utf-8")
    tests = "\n".join(
        file.read_text(encoding="utf-8") for file in (ROOT / "tests").rglob("test_*.py")
    )
    named = re.findall(r"`(test_\w+)`", page)

    assert len(named) > 20
    assert [name for name in named if f"def {name}(" not in tests] == []


def key_kinds() -> set[str]:
    """The kinds of keys in Redis, by the constants and functions that name them."""
    names = {value for value in vars(keys).values() if isinstance(value, str)}
    made = (of for of in vars(keys).values() if inspect.isfunction(of))
    names |= {of(*("x" for _ in inspect.signature(of).parameters)) for of in made}
    kinds = (name.removeprefix(keys.PREFIX) for name in names if name.startswith(keys.PREFIX))
    return {kind.partition(":")[0] for kind in kinds} - {""}


def test_privacy_page_says_of_every_key_what_becomes_of_it() -> None:
    page = (ROOT / "docs" / "privacy.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `parley:(\w+)` \| (.+) \| (.*)\| (yes|no) \|$", page, re.MULTILINE)

    assert len(rows) == len({name for name, *_ in rows})
    assert {name for name, *_ in rows} == key_kinds()
    harmless = ("nothing", "the same")
    assert [n for n, holds, fate, _ in rows if not holds.startswith(harmless) and not fate] == []
    saved = {name for name, *_, is_saved in rows if is_saved == "yes"}
    assert saved == {*backup.KEPT, *backup.LEARNED, backup.PASSAGE}
