"""The longest test file begins first, so that no process works alone at the end of a parallel run.

``durations.json`` beside this file has the seconds of each file; ``--record-durations`` writes it.
"""

import json
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

DURATIONS = Path(__file__).with_name("durations.json")
UNKNOWN_S = 30.0
"""A file that was never measured begins before most others: it may be a long one."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--record-durations",
        action="store_true",
        help=f"write the seconds of each test file that ran into {DURATIONS.name}",
    )


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--record-durations") and not is_one_of_many(config):
        config.pluginmanager.register(Stopwatch(DURATIONS))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if is_one_of_many(config):
        place = longest_first(read_durations(DURATIONS))
        items.sort(key=lambda item: place(item.nodeid))


def is_one_of_many(config: pytest.Config) -> bool:
    """Whether this is one of the processes that pytest-xdist divides the files among."""
    return hasattr(config, "workerinput")


def file_of(nodeid: str) -> str:
    return nodeid.partition("::")[0]


def longest_first(durations: Mapping[str, float]) -> Callable[[str], float]:
    """A test's key for sorting, by its file; the tests of a file keep their order."""
    return lambda nodeid: -durations.get(file_of(nodeid), UNKNOWN_S)


def read_durations(file: Path) -> Mapping[str, float]:
    """Test file -> seconds; empty if none were recorded."""
    if not file.is_file():
        return {}
    found: dict[str, float] = json.loads(file.read_text(encoding="utf-8"))
    return found


class Stopwatch:
    """Adds up what each file takes, in whichever process it runs, and writes it down at the end."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._seconds: Counter[str] = Counter()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._seconds[file_of(report.nodeid)] += report.duration  # type: ignore[assignment]

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        seconds = {**read_durations(self._file), **self._seconds}
        there = {
            name: round(taken, 1)
            for name, taken in sorted(seconds.items())
            if (session.config.rootpath / name).is_file()
        }
        self._file.write_text(json.dumps(there, indent=1) + "\n", encoding="utf-8")
