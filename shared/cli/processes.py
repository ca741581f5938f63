"""Child processes that never outlive their parent."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

PR_SET_PDEATHSIG = 1  # linux/prctl.h
STOP_TIMEOUT_S = 8.0


def die_with_parent() -> Callable[[], None]:
    """Have the kernel end this child if its parent is killed; runs in the child before its program.

    Linux only; elsewhere a child outlives a parent that is killed with SIGKILL. The parent handles
    Ctrl-C, also while a child that shares the terminal still imports its libraries.
    """
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None

    def prepare_child() -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        if libc is not None:
            libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)

    return prepare_child


def start(
    arguments: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    log: Path | None = None,
    errors: int | None = None,
    stdin: int | IO[bytes] | None = subprocess.DEVNULL,
    shares_terminal: bool = False,
) -> subprocess.Popen[bytes]:
    """Start a child; only from the main thread, whose end the kernel takes for the parent's.

    Args:
        arguments: program and arguments.
        env: its whole environment; None for ours.
        log: a file for its output; None to print beside us.
        errors: a file descriptor for its standard error; None for that of its output.
        stdin: as for ``subprocess.Popen``.
        shares_terminal: whether Ctrl-C reaches it directly.
    """
    with contextlib.ExitStack() as stack:
        output = stack.enter_context(log.open("ab")) if log else None
        return subprocess.Popen(  # noqa: S603 - our own programs, no shell
            [str(argument) for argument in arguments],
            env=dict(env) if env is not None else None,
            stdin=None if shares_terminal else stdin,
            stdout=output,
            stderr=output if errors is None else errors,
            start_new_session=not shares_terminal,
            preexec_fn=die_with_parent(),  # noqa: PLW1509 - the launcher has one thread
        )


def stop(child: subprocess.Popen[bytes], timeout_s: float = STOP_TIMEOUT_S) -> None:
    """Terminate a child, and kill it if it does not end in time."""
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(timeout_s)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def run_in_terminal(arguments: Sequence[str], env: Mapping[str, str]) -> int:
    """Run a program beside us, with our terminal and standard input; returns its exit code."""
    child = start(arguments, env=env, shares_terminal=True)
    with running(child):
        return child.wait()


@contextlib.contextmanager
def running(child: subprocess.Popen[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """A child that is stopped when the block is left."""
    try:
        yield child
    finally:
        stop(child)


def python_module(*arguments: str) -> list[str]:
    """The command line of one of our own modules, in this Python."""
    return [sys.executable, "-m", *arguments]


def with_setting(key: str, value: str) -> dict[str, str]:
    """Our environment with one more setting."""
    return {**os.environ, key: value}
