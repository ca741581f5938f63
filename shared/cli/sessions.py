"""The sessions of ``parley up`` and ``parley chat``: Redis, a worker and bots, supervised."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from shared.cli.embedded_redis import embedded_redis, find_embedded_url, reserve_redis
from shared.cli.processes import STOP_TIMEOUT_S, python_module, start, stop, with_setting
from shared.cli.relay import Relay
from shared.errors import ModelUnavailableError, SettingsError, StartupError, TokenError
from shared.logs import get_logger
from shared.settings import Settings

log = get_logger(__name__)

NO_MODEL = ModelUnavailableError.exit_code
FINAL_EXIT_CODES = frozenset({NO_MODEL, TokenError.exit_code, SettingsError.exit_code})
"""A restart cannot help. Beside bots a worker without its model is started again nevertheless: they
tell people why there is no answer, and a hub or a disk may be back later."""
FIRST_RESTART_S = 1.0
LONGEST_RESTART_S = 90.0
STEADY_S = 60.0
"""A child that ran so long restarts with the shortest wait."""
POLL_S = 0.1
HAND_BACK_S = 12.0
"""The time that a worker needs beyond ``PARLEY_STOP_S`` to hand back unfinished jobs."""
STAYING = (
    "The bots stay and tell people who ask; the worker is started again from time to time, with "
    "growing pauses."
)
SPOKEN = "parley: "
READY = "_ready"
"""Part of the log line of a process that is ready."""


class ChildFailedError(StartupError):
    """A child process failed in a way that a restart cannot fix."""

    def __init__(self, sentence: str, exit_code: int) -> None:
        super().__init__(sentence)
        self.exit_code = exit_code  # type: ignore[misc]  # the child's own, not its class's


@dataclass(slots=True)
class Ward:
    """A supervised child, restarted when it dies."""

    name: str
    spawn: Callable[[], subprocess.Popen[bytes]]
    log_file: Path | None = None
    """Its log file; None: beside us."""
    stop_timeout_s: float = STOP_TIMEOUT_S
    relay: Relay | None = None
    """For one that is started again also without its model: what it says is said once."""
    child: subprocess.Popen[bytes] = field(init=False)
    wait_s: float = FIRST_RESTART_S
    started_s: float = field(default_factory=time.monotonic)
    restart_at_s: float | None = None

    def __post_init__(self) -> None:
        """Start the child."""
        self.child = self.spawn()

    def stop(self) -> None:
        """End the child for good."""
        stop(self.child, self.stop_timeout_s)

    def look_after(self) -> int | None:
        """Restart the child when it is time; return the exit code if a restart cannot help."""
        now_s = time.monotonic()
        if self.restart_at_s is not None:
            if now_s >= self.restart_at_s:
                self.child, self.started_s, self.restart_at_s = self.spawn(), now_s, None
            return None
        code = self.child.poll()
        if code is None or self._is_final(code):
            return code
        if code == NO_MODEL:
            self._tell_once()
            # The worker pauses itself before it loads a model that has failed: that time counts.
            since_s = self.started_s
        else:
            since_s = now_s
            if now_s - self.started_s > STEADY_S:
                self.wait_s = FIRST_RESTART_S
                if self.relay is not None:
                    self.relay.forget()
        self.restart_at_s = max(now_s + FIRST_RESTART_S, since_s + self.wait_s)
        wait_s = round(self.restart_at_s - now_s, 1)
        log.warning("child_died", child=self.name, exit_code=code, restart_in_s=wait_s)
        self.wait_s = min(LONGEST_RESTART_S, 2 * self.wait_s)
        return None

    def _is_final(self, code: int) -> bool:
        if code == NO_MODEL and self.relay is not None:
            return False
        return code in FINAL_EXIT_CODES or self._died_young()

    def _tell_once(self) -> None:
        if self.relay is None:
            return
        self.relay.pump()
        if words := self.last_words():
            self.relay.say(words)
        self.relay.say(STAYING)

    def last_words(self) -> str:
        """Its last sentence, if it was not printed beside us."""
        if self.log_file is None:
            return ""
        lines = self.log_file.read_text(errors="replace").splitlines()
        spoken = [line.removeprefix(SPOKEN) for line in lines if line.startswith(SPOKEN)]
        return spoken[-1] if spoken else f"The {self.name} ended at once; {self.log_file} says why."

    def _died_young(self) -> bool:
        """Whether it has never been ready, so that the person in the chat would wait in vain."""
        return self.log_file is not None and READY not in self.log_file.read_text(errors="replace")


def run(settings: Settings, *, with_bots: bool, with_terminal: bool) -> int:
    """Run Redis (if none is named), a worker, and bots or a chat in the terminal or both.

    Ends with the chat, or without one at a signal. Beside a chat the other processes write to files
    in the data folder. Beside bots a worker whose model cannot be run is started again.

    Raises:
        StartupError: a process could not start, and a restart would not help.
    """
    settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    with contextlib.ExitStack() as stack, _signals_raise():
        redis_url, redis_wards = _redis(settings, stack)
        env = with_setting("PARLEY_REDIS_URL", redis_url)
        if with_terminal:
            env["PARLEY_STOP_S"] = "0"  # the end of a chat does not wait for answers

        relay = None
        if with_bots:
            relay = stack.enter_context(contextlib.closing(Relay(sys.stderr.buffer)))
        errors = relay.write_end if relay and not with_terminal else None

        def ward(module: str, stop_timeout_s: float, relay: Relay | None = None) -> Ward:
            log_file = settings.data_dir / f"{module}.log" if with_terminal else None
            if log_file:
                log_file.write_bytes(b"")
            new = Ward(
                module,
                lambda: start(
                    python_module(module), env=env, log=log_file, errors=errors if relay else None
                ),
                log_file,
                stop_timeout_s,
                relay,
            )
            stack.callback(new.stop)
            return new

        # Started in parallel, because each imports for seconds: the one that shows the progress of
        # a conversion, the worker (which waits for it by a file lock), and the chat.
        preparing = start(
            python_module("worker.prepare"), errors=relay.write_end if relay else None
        )
        stack.callback(stop, preparing)
        patience_s = STOP_TIMEOUT_S if with_terminal else settings.stop_s + HAND_BACK_S
        wards = [*redis_wards, ward("worker", patience_s, relay)]
        wards += [ward("bots", STOP_TIMEOUT_S)] if with_bots else []
        talk = None
        if with_terminal:
            talk = start(python_module("bots", "console"), env=env, shares_terminal=True)
            stack.callback(stop, talk)
        code = keep_alive(redis_wards, preparing.poll, relay)
        if code and not (relay and code == NO_MODEL):
            raise ChildFailedError("", code)  # it has said why
        return keep_alive(wards, talk.poll if talk else _never, relay)


@contextlib.contextmanager
def redis_beside(settings: Settings, *, is_needed: bool) -> Iterator[dict[str, str]]:
    """An environment with the Redis that Parley runs on, for a command beside it.

    It is the one that is named, the embedded one of a running Parley, or else the embedded one,
    started
    for the duration of the command.

    Raises:
        RedisUnavailableError: the embedded one does not start.
    """
    if settings.redis_url is not None or not is_needed:
        yield dict(os.environ)
        return
    folder = settings.data_dir / "redis"
    if running_url := find_embedded_url(folder):
        yield with_setting("PARLEY_REDIS_URL", running_url)
        return
    with embedded_redis(folder) as url:
        yield with_setting("PARLEY_REDIS_URL", url)


def with_redis_that_runs(settings: Settings) -> dict[str, str]:
    """The same without starting any: if no Redis runs, the environment is unchanged."""
    running_url = None if settings.redis_url else find_embedded_url(settings.data_dir / "redis")
    if running_url:
        return with_setting("PARLEY_REDIS_URL", running_url)
    return dict(os.environ)


def keep_alive(
    wards: Sequence[Ward], end: Callable[[], int | None], relay: Relay | None = None
) -> int:
    """Supervise the children until there is an exit code; return it.

    Raises:
        ChildFailedError: a restart of one of them cannot help.
    """
    while (ended := end()) is None:
        if relay is not None:
            relay.pump()
        for ward in wards:
            if (code := ward.look_after()) is not None:
                raise ChildFailedError(ward.last_words(), code)
        time.sleep(POLL_S)
    return ended


def _never() -> None:
    """Wait for a signal."""


def _redis(settings: Settings, stack: contextlib.ExitStack) -> tuple[str, list[Ward]]:
    """The URL of the named Redis; if none is named, of the embedded one, and its ``Ward``."""
    if settings.redis_url is not None:
        return settings.redis_url.get_secret_value(), []
    embedded = stack.enter_context(reserve_redis(settings.data_dir / "redis"))
    ward = Ward("redis", embedded.start)
    stack.callback(ward.stop)
    embedded.wait_ready(ward.child)
    return embedded.url, [ward]


@contextlib.contextmanager
def _signals_raise() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end us like Ctrl-C, so that every child is stopped."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)
    yield
