"""``python -m tests.chaos.flood``: does one person's flood slow down another person's answers?

Asks the same questions in quiet and while somebody else sends messages as fast as is asked for, to
the same bots and the same worker, and prints the ratio of the times to the first text. A benchmark,
not a test: the sender, the fake platform, bots and worker share one machine's processors.
"""

import asyncio
import contextlib
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import psutil
import typer

from shared.cli.embedded_redis import embedded_redis
from tests.e2e.conftest import free_port
from tests.fakes.discord_server import FakeDiscord
from tests.fakes.discord_settings import Settings as DiscordSettings
from tests.fakes.slack_server import FakeSlack
from tests.fakes.tiny_model import save_tiny_model
from tests.running import RunningModule

PATIENCE_S = 60.0
POLL_S = 0.005
TICK_S = 0.005
READING_S = 1.0
"""Between an answer and the next question."""
REFILL_S = 60.0
"""After so long everybody may ask as much as at first."""
WARM_UP = 3
PLACEHOLDER, ENDING = "…", "length limit"
FLOODER, OTHER = "U0FLOOD", "U0OTHER"


@dataclass(frozen=True, slots=True)
class Scene:
    """A platform with two people on it."""

    settings: dict[str, str]
    ready: str
    ask: Callable[[int], Awaitable[Callable[[], str]]]
    """Ask as the patient person; the answer says what stands there: nothing before the text."""
    flood: Callable[[int], Awaitable[object]]
    """One message of the other one."""


async def slack_scene(slack: FakeSlack) -> Scene:
    """A channel for each of the two."""
    for user, channel in ((FLOODER, "C0FLOOD"), (OTHER, "C0OTHER")):
        slack.add_user(user, user.lower())
        slack.add_channel(channel, channel.lower(), members=[user, slack.bot_user_id])
    mention = f"<@{slack.bot_user_id}>"

    async def ask(number: int) -> Callable[[], str]:
        asked = await slack.say("C0OTHER", OTHER, f"{mention} question {number}")

        def text() -> str:
            return "".join(
                message.text
                for message in slack.messages("C0OTHER")
                if message.thread_ts == asked.ts
                and message.user == slack.bot_user_id
                and message.text != PLACEHOLDER
                and not message.text.startswith("_")
            )

        return text

    async def flood(number: int) -> object:
        return await slack.say("C0FLOOD", FLOODER, f"flood {number}")  # a mention is two events

    settings = {
        "PARLEY_AUTO_REPLY_CHANNELS": "C0FLOOD",
        "PARLEY_SLACK_API_URL": slack.api_url,
        "SLACK_BOT_TOKEN": slack.bot_token,
        "SLACK_APP_TOKEN": slack.app_token,
    }
    return Scene(settings, "slack_ready", ask, flood)


async def discord_scene(discord: FakeDiscord) -> Scene:
    """A channel for each of the two."""
    flooder, other = discord.add_user("flooder").id, discord.add_user("other").id
    guild = discord.add_guild("team", members=[flooder, other])
    loud, quiet = (discord.add_channel(guild, name).id for name in ("loud", "quiet"))
    mention = f"<@{discord.bot_user_id}>"

    async def ask(number: int) -> Callable[[], str]:
        asked = await discord.say(quiet, other, f"{mention} question {number}")

        def text() -> str:
            return "".join(
                message.content
                for message in discord.replies(quiet)
                if message.reference == asked.id and not message.content.startswith("*")
            )

        return text

    async def flood(number: int) -> object:
        return await discord.say(loud, flooder, f"{mention} flood {number}")

    settings = {
        "PARLEY_DISCORD_API_URL": discord.api_url,
        "PARLEY_DISCORD_GATEWAY_URL": discord.gateway_url,
        "DISCORD_TOKEN": discord.token,
    }
    return Scene(settings, "discord_ready", ask, flood)


async def measure(scene: Scene, num_questions: int, first: int) -> list[float]:
    """Times to the first text, in seconds, of questions asked one after the other."""
    times_s = []
    for number in range(first, first + num_questions):
        began_s = time.monotonic()
        text = await scene.ask(number)
        await _until_it_holds("", text)
        times_s.append(time.monotonic() - began_s)
        await _until_it_holds(ENDING, text)
        await asyncio.sleep(READING_S)
    return times_s


async def _until_it_holds(words: str, text: Callable[[], str]) -> None:
    """Wait until there is a text with these words in it."""
    async with asyncio.timeout(PATIENCE_S):
        while not (seen := text()) or words not in seen:  # noqa: ASYNC110 - what people see
            await asyncio.sleep(POLL_S)


async def send_flood(scene: Scene, per_s: int, sent: list[int]) -> None:
    """Send evenly until cancelled, as fast as asked for if this machine can."""
    began_s = time.monotonic()
    while True:
        while len(sent) < (time.monotonic() - began_s) * per_s:
            sent.append(1)
            await scene.flood(len(sent))
            await asyncio.sleep(0)  # the platform itself runs on this loop
        await asyncio.sleep(TICK_S)


@dataclass(frozen=True, slots=True)
class Load:
    """How much of one processor core each process took."""

    sender: float
    bots: float
    worker: float

    def __str__(self) -> str:
        return f"sender {self.sender:.2f}, bots {self.bots:.2f}, worker {self.worker:.2f} cores"


class LoadMeter:
    """Looks at the time that processes have had since the last look."""

    def __init__(self, bots: int, worker: int) -> None:
        self._processes = [psutil.Process(), psutil.Process(bots), psutil.Process(worker)]
        self._last = self._times()
        self._at_s = time.monotonic()

    def read(self) -> Load:
        """Since the last time."""
        now, now_s = self._times(), time.monotonic()
        shares = [(a - b) / (now_s - self._at_s) for a, b in zip(now, self._last, strict=True)]
        self._last, self._at_s = now, now_s
        return Load(*shares)

    def _times(self) -> list[float]:
        return [p.cpu_times().user + p.cpu_times().system for p in self._processes]


async def compare(name: str, scene: Scene, meter: LoadMeter, per_s: int, num_questions: int) -> str:
    """Lines of figures for one platform."""
    meter.read()
    quiet_s = await measure(scene, num_questions + WARM_UP, 0)
    quiet_load = meter.read()
    await asyncio.sleep(REFILL_S)
    meter.read()
    sent: list[int] = []
    flooding = asyncio.create_task(send_flood(scene, per_s, sent))
    began_s = time.monotonic()
    try:
        flood_s = await measure(scene, num_questions + WARM_UP, 1000)
    finally:
        flooding.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await flooding
    rate = len(sent) / (time.monotonic() - began_s)
    quiet, flood = statistics.median(quiet_s[WARM_UP:]), statistics.median(flood_s[WARM_UP:])
    flood_load = meter.read()
    return (
        f"{name}: quiet: {quiet_load}; flood: {flood_load}\n"
        f"{name}: first text after {quiet:.3f} s in quiet, {flood:.3f} s in a flood of "
        f"{rate:,.0f} messages/s · ratio {flood / quiet:.2f} (medians of {num_questions})"
    )


async def run(platform: str, per_s: int, num_questions: int) -> None:
    """Start everything, measure, print."""
    with (
        tempfile.TemporaryDirectory() as folder,
        embedded_redis(Path(folder) / "redis") as redis_url,
    ):
        model = save_tiny_model(Path(folder) / "model", ends=False)
        common = {"PARLEY_REDIS_URL": redis_url, "PARLEY_DATA_DIR": folder}
        worker = {
            **common,
            "PARLEY_MODEL": str(model),
            "PARLEY_CACHE_TOKENS": "8192",
            "PARLEY_MAX_NEW_TOKENS": "40",
            "PARLEY_DEVICE": "cpu",
        }
        port = {"PARLEY_HTTP_PORT": str(free_port())}
        with RunningModule("worker", settings=worker) as running:
            await asyncio.to_thread(running.wait_for_event, "worker_ready")
            async with contextlib.AsyncExitStack() as stack:
                if platform == "slack":
                    scene = await slack_scene(await stack.enter_async_context(FakeSlack()))
                else:
                    fake = FakeDiscord(settings=DiscordSettings(rate_limit=None))
                    scene = await discord_scene(await stack.enter_async_context(fake))
                bots = RunningModule("bots", settings={**common, **port, **scene.settings})
                bots.__enter__()
                # Not in this loop, which the platform needs to see them go.
                stack.push_async_callback(asyncio.to_thread, bots.stop)
                await asyncio.to_thread(bots.wait_for_event, scene.ready)
                meter = LoadMeter(bots.process.pid, running.process.pid)
                typer.echo(await compare(platform, scene, meter, per_s, num_questions))


def main(
    *,
    per_s: Annotated[int, typer.Option(help="Messages a second of the flood.")] = 1000,
    questions: Annotated[int, typer.Option(help="Counted questions in each half.")] = 20,
    platform: Annotated[list[str] | None, typer.Option(help="discord or slack; both")] = None,
) -> None:
    """Print lines of figures for each platform."""
    for name in platform or ("discord", "slack"):
        asyncio.run(run(name, per_s, questions))


if __name__ == "__main__":
    typer.run(main)
