"""The systems that can be put under the harness, each as programs to run.

Parley, and plain Celery as its documentation and its tutorials suggest (``tests/chaos/baseline``).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from shared.cli.processes import python_module
from tests.chaos.checker import ENDING
from tests.chaos.processes import Program, free_port
from tests.fakes.discord_server import FakeDiscord
from tests.fakes.slack_server import FakeSlack

SYSTEM_PROMPT = "Answer."
NUM_LETTERS = 32
"""The length of every answer."""
MAX_TURNS = 4
CONCURRENCY = 8
BASELINE_CONCURRENCY = 2
LEASE_S = 10.0
"""Parley's default."""
NO_LIMIT = "1000000"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What every system is given."""

    folder: Path
    redis_url: str
    model: Path
    slack: FakeSlack
    discord: FakeDiscord
    num_workers: int
    num_bots: int
    lease_s: float = LEASE_S
    """Parley's PARLEY_LEASE_S."""
    num_replicas: int = 0
    """Parley's PARLEY_REDIS_REPLICAS."""


@dataclass(frozen=True, slots=True)
class System:
    """A system under test."""

    name: str
    workers: tuple[Program, ...]
    bots: tuple[Program, ...]
    has_ledger: bool
    """Whether one can be asked which jobs a dead worker held."""
    has_history: bool
    """Whether it remembers conversations: what was said in them, and that it takes part in them."""
    ending: str
    """What stands below a whole answer."""


def parley(given: Surroundings) -> System:
    """Parley with its defaults, but for a small model, the lease and no limits on people."""
    common = {
        "PARLEY_REDIS_URL": given.redis_url,
        "PARLEY_CACHE_DIR": str(given.folder / "cache"),
        "OMP_NUM_THREADS": "1",
    }
    worker = {
        **common,
        "PARLEY_MODEL": str(given.model),
        "PARLEY_DEVICE": "cpu",
        "PARLEY_DTYPE": "float64",  # int8 would write what the reference does not
        "PARLEY_CONCURRENCY": str(CONCURRENCY),
        "PARLEY_CACHE_TOKENS": "8192",
        "PARLEY_MAX_NEW_TOKENS": str(NUM_LETTERS),
        "PARLEY_TEMPERATURE": "0",
        "PARLEY_SYSTEM_PROMPT": SYSTEM_PROMPT,
        "PARLEY_MAX_TURNS": str(MAX_TURNS),
        "PARLEY_LEASE_S": str(given.lease_s),
    }
    bots = {
        **common,
        "PARLEY_REDIS_REPLICAS": str(given.num_replicas),
        "PARLEY_USER_MESSAGES_PER_MIN": NO_LIMIT,
        "PARLEY_CHANNEL_MESSAGES_PER_MIN": NO_LIMIT,
        "PARLEY_MAX_OPEN_PER_USER": NO_LIMIT,
        "PARLEY_MAX_QUEUE": NO_LIMIT,
        "PARLEY_SLACK_API_URL": given.slack.api_url,
        "PARLEY_DISCORD_API_URL": given.discord.api_url,
        "PARLEY_DISCORD_GATEWAY_URL": given.discord.gateway_url,
        "SLACK_BOT_TOKEN": given.slack.bot_token,
        "SLACK_APP_TOKEN": given.slack.app_token,
        "DISCORD_TOKEN": given.discord.token,
    }
    return System(
        name="parley",
        workers=tuple(
            Program(
                f"worker-{k}",
                python_module("worker"),
                {**worker, "PARLEY_DATA_DIR": str(given.folder / f"data-worker-{k}")},
                given.folder,
                ('"worker_ready"',),
            )
            for k in range(given.num_workers)
        ),
        bots=tuple(
            Program(
                f"bots-{k}",
                python_module("bots"),
                {
                    **bots,
                    "PARLEY_DATA_DIR": str(given.folder / f"data-bots-{k}"),
                    "PARLEY_HTTP_PORT": str(free_port()),
                },
                given.folder,
                ('"slack_ready"', '"discord_ready"'),
            )
            for k in range(given.num_bots)
        ),
        has_ledger=True,
        has_history=True,
        ending=ENDING,
    )


def of_version(programs: Sequence[Program], tree: Path) -> tuple[Program, ...]:
    """The same programs from another version's source."""
    return tuple(
        replace(program, settings={**program.settings, "PYTHONPATH": str(tree)})
        for program in programs
    )


def plain_celery(given: Surroundings) -> System:
    """Celery without a ledger, and the platforms' SDKs as they come.

    Discord sends every event to every connection, so that only one bots process may listen to it.
    """
    common = {
        "BASELINE_REDIS_URL": given.redis_url,
        "BASELINE_MODEL": str(given.model),
        "BASELINE_SLACK_URL": given.slack.api_url,
        "BASELINE_DISCORD_URL": given.discord.api_url,
        "BASELINE_DISCORD_GATEWAY_URL": given.discord.gateway_url,
        "SLACK_BOT_TOKEN": given.slack.bot_token,
        "SLACK_APP_TOKEN": given.slack.app_token,
        "DISCORD_TOKEN": given.discord.token,
        "OMP_NUM_THREADS": "1",
    }
    worker = python_module("celery", "-A", "tests.chaos.baseline.tasks", "worker")
    options = ["--pool=prefork", f"--concurrency={BASELINE_CONCURRENCY}", "--loglevel=INFO"]
    bots = python_module("tests.chaos.baseline.bots")
    return System(
        name="plain Celery",
        workers=tuple(
            Program(
                f"celery-{k}",
                [*worker, *options, f"--hostname=celery-{k}"],
                common,
                given.folder,
                (" ready.",),
            )
            for k in range(given.num_workers)
        ),
        bots=tuple(
            Program(
                f"celery-bots-{k}",
                [*bots, *([] if k else ["discord"])],
                common,
                given.folder,
                ("slack_ready", *([] if k else ["discord_ready"])),
            )
            for k in range(given.num_bots)
        ),
        has_ledger=False,
        has_history=False,
        ending="",
    )
