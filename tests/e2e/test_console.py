"""The terminal, end to end, as a newcomer meets it, with the default model."""

import os
import pty
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from shared.cli.processes import python_module
from tests.patience import PATIENCE_S
from tests.running import clean_environment

FIRST_START_S = 240
"""The default model may have to be converted first."""


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, str]:
    """A data folder of its own; the converted model is shared, as it is between starts."""
    return {**clean_environment(), "PARLEY_DATA_DIR": str(tmp_path / "data")}


def chat_command() -> list[str]:
    return python_module("shared.cli", "chat")


@pytest.fixture
def no_process_left() -> Iterator[None]:
    """Fail if a test leaves a process of its own behind."""
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    yield
    left = [c for c in psutil.Process().children(recursive=True) if c.pid not in before]
    assert left == []


@pytest.mark.timeout(FIRST_START_S + 30)
@pytest.mark.usefixtures("no_process_left")
def test_piped_questions_are_answered_in_order_and_the_command_ends(
    settings: dict[str, str],
) -> None:
    questions = "What is the capital of Japan?\n\nAnd of France?\n/new\n"

    answer = subprocess.run(
        chat_command(),
        input=questions,
        env=settings,
        capture_output=True,
        text=True,
        timeout=FIRST_START_S,
        check=False,
    )

    assert answer.returncode == 0, answer.stderr
    tokyo, paris, forgotten = answer.stdout.splitlines()
    assert "Tokyo" in tokyo
    assert "Paris" in paris, "it saw the answer before"
    assert "forgotten" in forgotten
    assert "Traceback" not in answer.stderr


@pytest.mark.timeout(FIRST_START_S)
@pytest.mark.usefixtures("no_process_left")
@pytest.mark.parametrize("delay_s", [0.3, 2.0])
def test_interrupt_while_starting_leaves_no_process(
    settings: dict[str, str], tiny_model: Path, delay_s: float
) -> None:
    env = {**settings, "PARLEY_MODEL": str(tiny_model)}
    chat = subprocess.Popen(chat_command(), env=env, stdin=subprocess.PIPE, start_new_session=True)
    time.sleep(delay_s)  # the moment is the test's subject, no condition marks it

    family = psutil.Process(chat.pid).children(recursive=True)
    os.killpg(chat.pid, signal.SIGINT)

    assert chat.wait(PATIENCE_S) in {0, 130, -signal.SIGINT}
    _, alive = psutil.wait_procs(family, timeout=PATIENCE_S)
    assert alive == []
    assert chat.stdin is not None
    chat.stdin.close()


@pytest.mark.timeout(FIRST_START_S)
@pytest.mark.usefixtures("no_process_left")
def test_killed_command_takes_its_children_with_it(
    settings: dict[str, str], tiny_model: Path
) -> None:
    env = {**settings, "PARLEY_MODEL": str(tiny_model)}
    with subprocess.Popen(
        chat_command(), env=env, stdin=subprocess.PIPE, start_new_session=True
    ) as chat:
        log = Path(env["PARLEY_DATA_DIR"]) / "worker.log"
        deadline = time.monotonic() + PATIENCE_S
        while not (log.exists() and "worker_ready" in log.read_text()):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        family = psutil.Process(chat.pid).children(recursive=True)
        assert len(family) >= 2, "Redis and the worker"

        chat.kill()

        _, alive = psutil.wait_procs(family, timeout=PATIENCE_S)
        assert alive == []


@pytest.mark.timeout(FIRST_START_S)
@pytest.mark.usefixtures("no_process_left")
def test_terminal_shows_live_text_and_ends_at_quit(
    settings: dict[str, str], tiny_model: Path
) -> None:
    env = {**settings, "PARLEY_MODEL": str(tiny_model), "TERM": "xterm", "COLUMNS": "100"}
    child_side, ours = pty.openpty()[::-1]
    with subprocess.Popen(
        chat_command(), env=env, stdin=child_side, stdout=child_side, stderr=child_side
    ) as chat:
        os.close(child_side)
        read_until(ours, b"you>")
        os.write(ours, b"hello\r")
        read_until(ours, b"you>")
        os.write(ours, b"/quit\r")
        seen = read_until(ours, None)
        assert chat.wait(PATIENCE_S) == 0
    os.close(ours)
    assert b"Traceback" not in seen


def read_until(terminal: int, mark: bytes | None) -> bytes:
    """What the terminal shows until a mark comes, or until it is closed."""
    seen = b""
    deadline = time.monotonic() + PATIENCE_S
    while mark is None or mark not in seen:
        assert time.monotonic() < deadline, seen
        try:
            chunk = os.read(terminal, 4096)
        except OSError:
            break
        if not chunk:
            break
        seen += chunk
    return seen
