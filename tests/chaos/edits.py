"""``python -m tests.chaos.edits``: how many answers at once can one bots process keep growing?

Real bots, with the platform's real client, on a fake platform without limits; workers that write at
a fixed rate and compute nothing. A question in each of so many channels; while all answers grow,
the edits that reach the platform are counted, and what each process takes of a core. A benchmark,
not a test: all share one machine's processors.
"""

import asyncio
import contextlib
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import psutil
import redis
import typer

from shared.cli.embedded_redis import embedded_redis
from tests.e2e.conftest import free_port
from tests.fakes.discord_server import FakeDiscord
from tests.fakes.discord_settings import Settings as DiscordSettings
from tests.patience import PATIENCE_S
from tests.running import RunningModule

SLOTS = 32
"""Answers at once of each worker, which tells the bots of 40 texts a second at most."""
TOKENS_PER_S = 20
ANSWER_S = 60
SETTLE_S = 5.0
"""After all answers have begun."""
MEASURED_S = 15.0
POLL_S = 0.1


async def edits_of(fake: FakeDiscord, redis_url: str, at_once: int) -> str:
    """A line of figures."""
    common = {"PARLEY_REDIS_URL": redis_url, "PARLEY_HTTP_PORT": str(free_port())}
    platform = {
        "PARLEY_DISCORD_API_URL": fake.api_url,
        "PARLEY_DISCORD_GATEWAY_URL": fake.gateway_url,
        "DISCORD_TOKEN": fake.token,
    }
    writing = {
        "PARLEY_CONCURRENCY": str(SLOTS),
        "PARLEY_MAX_NEW_TOKENS": str(TOKENS_PER_S * ANSWER_S),
        "PARLEY_QUEUES": "chat",
    }
    async with contextlib.AsyncExitStack() as stack:

        async def run(*module: str, ready: str, settings: dict[str, str]) -> RunningModule:
            running = RunningModule(*module, settings={**common, **settings})
            running.__enter__()
            # Not in this loop, which the platform needs to see them go.
            stack.push_async_callback(asyncio.to_thread, running.stop)
            await asyncio.to_thread(running.wait_for_event, ready)
            return running

        paced = ("worker", "paced", str(TOKENS_PER_S))
        for _ in range(-(-at_once // SLOTS)):
            await run(*paced, ready="worker_ready", settings=writing)
        bots = await run("bots", ready="discord_ready", settings=platform)
        people = [fake.add_user(f"user{number}") for number in range(at_once)]
        guild = fake.add_guild("team", members=people)
        channels = [fake.add_channel(guild, f"channel{number}") for number in range(at_once)]
        for person, channel in zip(people, channels, strict=True):
            await fake.say(channel, person, f"<@{fake.bot_user_id}> Tell me a long story.")
        await _until(lambda: all(fake.replies(channel) for channel in channels))
        await asyncio.sleep(SETTLE_S)
        edits, shares = await _measured(fake, redis_url, bots.process.pid)
    taken = ", ".join(f"{name} {share:.2f}" for name, share in shares.items())
    return (
        f"{at_once:>4} answers: {edits:6.1f} edits/s ({edits / at_once:.2f} each); cores: {taken}"
    )


async def _measured(fake: FakeDiscord, redis_url: str, bots: int) -> tuple[float, dict[str, float]]:
    """Edits a second, and what each process took of a core meanwhile."""
    server = redis.Redis.from_url(redis_url)
    pids = {"bots": bots, "redis": int(server.info()["process_id"])}
    processes = {name: psutil.Process(pid) for name, pid in pids.items()}
    processes["platform"] = psutil.Process()

    def spent_s() -> dict[str, float]:
        times = {name: process.cpu_times() for name, process in processes.items()}
        return {name: each.user + each.system for name, each in times.items()}

    before_s, num_before, began_s = spent_s(), len(fake.requests), time.monotonic()
    await asyncio.sleep(MEASURED_S)
    after_s, took_s = spent_s(), time.monotonic() - began_s
    num_edits = sum(request.method == "PATCH" for request in fake.requests[num_before:])
    server.close()
    shares = {name: (after_s[name] - before_s[name]) / took_s for name in processes}
    return num_edits / took_s, shares


async def _until(is_met: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not is_met():  # noqa: ASYNC110 - what people see
            await asyncio.sleep(POLL_S)


async def run(at_once: int) -> None:
    """Start everything, measure, print."""
    with tempfile.TemporaryDirectory() as folder, embedded_redis(Path(folder) / "redis") as url:
        unlimited = DiscordSettings(rate_limit=None, global_rate_limit=None)
        async with FakeDiscord(settings=unlimited) as fake:
            typer.echo(await edits_of(fake, url, at_once))


def main(
    *,
    at_once: Annotated[list[int] | None, typer.Option(help="Answers; may be given again.")] = None,
) -> None:
    """Print a line of figures for each number of answers at once."""
    for count in at_once or (32, 64, 96, 128, 160):
        asyncio.run(run(count))


if __name__ == "__main__":
    typer.run(main)
