"""What a test leaves behind is an error of that test, and harms none after it."""

import subprocess
import xml.etree.ElementTree as ET

import pytest

from shared.cli.processes import python_module
from tests.running import ROOT

CONFTEST = """
from tests.leftovers import Guard


def pytest_configure(config):
    config.pluginmanager.register(Guard(grace_s=0.1), "leftovers")
"""
LEAKING = """
import asyncio, os, signal, socket, subprocess, sys
import pytest
from tests.running import RunningModule

KEPT, PIDS = [], []
SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]


def start():
    child = subprocess.Popen(SLEEP)
    PIDS.append(child.pid)
    return child


def stop(child):
    child.kill()
    child.wait()


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture(scope="module")
def children():
    found = [start()]
    yield found
    stop(found[0])


@pytest.fixture
async def server():
    server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
    yield server.sockets[0].getsockname()
    server.close()
    await server.wait_closed()


def test_clean(children, tmp_path):
    with (tmp_path / "file").open("w"), subprocess.Popen(["true"]):
        pass


async def test_clean_in_a_loop(server):
    reader, writer = await asyncio.open_connection(*server)
    await reader.read()
    writer.close()


def test_clean_as_a_fixture_owns_the_child_that_is_started_again(children):
    stop(children[0])
    children[0] = start()


def test_leaves_a_process():
    start()


def test_leaves_a_process_frozen():
    os.kill(start().pid, signal.SIGSTOP)


def test_leaves_a_module_running():
    module = RunningModule("http.server", "0", settings={}).__enter__()
    KEPT.append(module)
    PIDS.append(module.pid)


def test_leaves_a_process_as_it_fails():
    start()
    raise ValueError


def test_leaves_a_socket():
    KEPT.append(socket.create_server(("127.0.0.1", 0)))


def test_leaves_a_file_in_a_cycle(tmp_path):
    circle = [(tmp_path / "unclosed").open("w")]
    circle.append(circle)


def test_leaves_a_socket_that_is_dropped_later():
    KEPT.append(socket.create_server(("127.0.0.1", 0)))


def test_clean_though_what_another_left_is_dropped():
    KEPT.clear()


async def test_leaves_a_task(server):
    KEPT.append(asyncio.create_task(asyncio.sleep(600)))


def test_clean_as_all_that_was_left_has_ended(children):
    alive = [pid for pid in PIDS if is_alive(pid)]
    assert alive == [children[0].pid]


@pytest.fixture(scope="module")
def careless():
    return start()


def test_clean_until_its_fixture_ends(careless):
    pass


def test_leaves_what_its_module_s_fixture_started(careless):
    pass
"""


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    """Test -> what pytest says of it: ``failure`` and ``error`` with their texts."""
    folder = tmp_path_factory.mktemp("leaking")
    (folder / "conftest.py").write_text(CONFTEST)
    (folder / "test_leaking.py").write_text(LEAKING)
    report = folder / "report.xml"
    command = python_module("pytest", "-c", str(ROOT / "pyproject.toml"), "-p", "no:cacheprovider")
    ran = subprocess.run(
        [*command, f"--junitxml={report}", "--rootdir", str(folder), str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert report.exists(), ran.stdout + ran.stderr
    found: dict[str, dict[str, str]] = {}
    for case in ET.parse(report).iter("testcase"):
        told = found.setdefault(case.attrib["name"], {})
        told |= {each.tag: each.attrib["message"] for each in case}
    return found


def test_what_ends_with_its_test_or_belongs_to_a_fixture_is_no_error(
    outcomes: dict[str, dict[str, str]],
) -> None:
    clean = {name: told for name, told in outcomes.items() if name.startswith("test_clean")}
    assert clean == {name: {} for name in clean}
    assert len(clean) == 6


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("test_leaves_a_process", "time.sleep(600)"),
        ("test_leaves_a_process_frozen", "time.sleep(600)"),
        ("test_leaves_a_module_running", "http.server"),
        ("test_leaves_a_process_as_it_fails", "time.sleep(600)"),
        ("test_leaves_a_socket", "socket:"),
        ("test_leaves_a_socket_that_is_dropped_later", "socket:"),
        ("test_leaves_a_file_in_a_cycle", "unclosed"),
        ("test_leaves_a_task", "sleep()"),
        ("test_leaves_what_its_module_s_fixture_started", "time.sleep(600)"),
    ],
)
def test_what_is_left_behind_is_an_error_of_the_test_that_leaves_it(
    outcomes: dict[str, dict[str, str]], name: str, words: str
) -> None:
    assert words in outcomes[name]["error"]


def test_a_test_that_fails_and_leaves_something_is_told_of_both(
    outcomes: dict[str, dict[str, str]],
) -> None:
    assert "ValueError" in outcomes["test_leaves_a_process_as_it_fails"]["failure"]
