"""Who may know whom, read from every module's own text: nothing is imported to find out."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("bots", "shared", "worker")
HEAVY = ("torch", "transformers")
PLATFORMS = ("discord", "slack_bolt", "slack_sdk")


def name_of(file: Path) -> str:
    """The dotted name of a module of ours."""
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {
    name_of(file): file for package in PACKAGES for file in sorted((ROOT / package).rglob("*.py"))
}


@cache
def imports_of(module: str) -> frozenset[str]:
    """What a module imports, also inside its functions, as dotted names."""
    return frozenset(_imports(ast.parse(FILES[module].read_text(encoding="utf-8"))))


def _imports(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "Imports are absolute, so that they can be found."
            assert node.module is not None
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield whole if whole in FILES else node.module


def ours(module: str) -> set[str]:
    """The modules of ours that a module imports."""
    return {name for name in imports_of(module) if name in FILES}


def foreign(module: str) -> set[str]:
    """The packages that a module imports and that are not ours and not Python's own."""
    tops = {name.partition(".")[0] for name in imports_of(module)}
    return tops - set(PACKAGES) - sys.stdlib_module_names


def reached_from(module: str) -> set[str]:
    """A module, what it imports of ours, and so on, with the packages they lie in."""
    reached: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            parent = name.rpartition(".")[0]
            waiting += [*ours(name), *([parent] if parent else [])]
    return reached


def importers_of(package: str) -> set[str]:
    return {module for module in FILES if package in foreign(module)}


def within(package: str) -> list[str]:
    return [module for module in FILES if module.partition(".")[0] == package]


def test_every_module_of_ours_that_is_imported_is_there() -> None:
    missing = {
        f"{module}: {name}"
        for module in FILES
        for name in imports_of(module)
        if name.partition(".")[0] in PACKAGES and name not in FILES
    }

    assert missing == set()


@pytest.mark.parametrize(
    ("package", "forbidden"),
    [
        ("bots", {"worker", *HEAVY}),
        ("worker", {"bots", *PLATFORMS}),
        ("shared", {"bots", "worker", *HEAVY, *PLATFORMS}),
    ],
)
def test_a_side_never_imports_what_is_not_its_own(package: str, forbidden: set[str]) -> None:
    tops = {
        f"{module}: {name}"
        for module in within(package)
        for name in imports_of(module)
        if name.partition(".")[0] in forbidden
    }

    assert tops == set()


@pytest.mark.parametrize(
    ("library", "package"),
    [
        ("discord", "bots.discord.sdk."),
        ("slack_bolt", "bots.slack.sdk."),
        ("slack_sdk", "bots.slack.sdk."),
    ],
)
def test_a_platforms_library_is_imported_by_one_package_whose_only_duty_it_is(
    library: str, package: str
) -> None:
    importers = importers_of(library)

    assert importers
    assert {module for module in importers if not module.startswith(package)} == set()


@pytest.mark.parametrize("library", HEAVY)
def test_only_the_engine_imports_the_model_libraries(library: str) -> None:
    allowed = {module for module in FILES if module.startswith("worker.engine.")}

    assert importers_of(library) <= allowed | {"worker.doctor"}


def test_the_engine_knows_nothing_of_what_it_is_used_for() -> None:
    others = {
        f"{module}: {name}"
        for module in FILES
        for name in ours(module)
        if module.startswith("worker.engine.")
        and name.startswith("worker.")
        and not name.startswith("worker.engine")
    }

    assert others == set()


MARK = re.compile(r"^# Pure\.(?: Uses (?P<allowed>[a-z_0-9, ]+)\.)?$", re.MULTILINE)


def marked_pure() -> dict[str, set[str]]:
    """The modules with a line ``# Pure. Uses babel.``, and the libraries that they may reach."""
    found: dict[str, set[str]] = {}
    for module, file in FILES.items():
        if mark := MARK.search(file.read_text(encoding="utf-8")):
            found[module] = set((mark["allowed"] or "").split(", ")) - {""}
    return found


PURE = marked_pure()
"""What each file that says of itself that it is pure may reach besides Python's own library."""
PURE_FOLDERS = (
    "bots/discord/parse",
    "bots/discord/views",
    "bots/incoming/intents",
    "bots/render",
    "bots/slack/parse",
    "bots/slack/views",
)
"""Folders in which every file must say so."""
EFFECTS = {"asyncio", "socket", "subprocess", "threading", "time", "os", "random", "secrets"}


@pytest.mark.parametrize(("module", "allowed"), PURE.items(), ids=PURE.keys())
def test_a_pure_file_reaches_only_the_standard_library_and_pure_files(
    module: str, allowed: set[str]
) -> None:
    reached = reached_from(module)

    assert {f"{name}: {top}" for name in reached for top in foreign(name) - allowed} == set()
    packages = {name for name in reached if FILES[name].name == "__init__.py"}
    assert reached - packages <= set(PURE)


@pytest.mark.parametrize("folder", PURE_FOLDERS)
def test_a_folder_of_decisions_holds_pure_files_alone(folder: str) -> None:
    modules = {name_of(file) for file in (ROOT / folder).glob("*.py")}

    assert modules - set(PURE) <= {folder.replace("/", ".")}


def test_pure_files_are_found_by_their_mark() -> None:
    assert len(PURE) >= 60, "Did a mark get lost? It is a line of its own: `# Pure. Uses babel.`."


@pytest.mark.parametrize("module", PURE)
def test_a_pure_file_asks_neither_a_clock_nor_the_world(module: str) -> None:
    tops = {name.partition(".")[0] for name in imports_of(module)}

    assert tops & EFFECTS == set()


def test_our_modules_import_each_other_in_no_circle() -> None:
    circles = {module for module in FILES if module in reached_without_packages(module)}

    assert circles == set()


def reached_without_packages(module: str) -> set[str]:
    """What a module imports of ours, and so on; the module itself only if there is a circle."""
    reached: set[str] = set()
    waiting = list(ours(module))
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting += ours(name)
    return reached


def test_nothing_of_ours_is_replaced_in_a_test() -> None:
    mocking = {
        str(file.relative_to(ROOT))
        for folder in (*PACKAGES, "tests")
        for file in (ROOT / folder).rglob("*.py")
        for name in _imports(ast.parse(file.read_text(encoding="utf-8")))
        if name.startswith(("unittest.mock", "mock", "pytest_mock")) or name == "unittest"
    }

    assert mocking == set()


@pytest.mark.parametrize(
    ("module", "forbidden"),
    [
        ("bots.__main__", {"worker", *HEAVY, *PLATFORMS}),
        ("worker.__main__", {"bots", *HEAVY, *PLATFORMS}),
        ("shared.cli.app", {"bots", "worker", *HEAVY, *PLATFORMS}),
    ],
)
def test_a_command_that_does_not_need_them_loads_no_heavy_libraries(
    module: str, forbidden: set[str]
) -> None:
    program = f"import sys, {module}; print(*sys.modules, sep='\\n')"

    run = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert {name.partition(".")[0] for name in run.stdout.split()} & forbidden == set()


@pytest.mark.parametrize("module", [name for name in FILES if not name.endswith("__main__")])
def test_importing_a_module_reads_no_environment_and_opens_nothing(module: str) -> None:
    """Only definitions stand at a module's left margin: no call is made for its effect."""
    tree = ast.parse(FILES[module].read_text(encoding="utf-8"))
    effects = [
        node.lineno
        for node in tree.body
        if isinstance(node, (ast.For, ast.While, ast.With))
        or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Call))
    ]

    assert effects == []
