"""What bots and a worker log while Redis is away: each fault once, how often it came, and its end.

All of them are real processes: a worker that writes, and bots on both platforms with a question
open, so that every loop that meets Redis meets none.
"""

import asyncio
from collections import Counter
from pathlib import Path

from shared.repeated_faults import EVERY_S
from tests.chaos.inbound import bots_at, make_slack, site_at, wait_until
from tests.chaos.test_rows_inbound import Discord
from tests.fakes.discord_server import FakeDiscord
from tests.running import RunningModule

AWAY_S = EVERY_S + 2
PACED = {"PARLEY_LEASE_S": "2", "PARLEY_CONCURRENCY": "4"}
LOOPS_OF_BOTS = {"outbox_interrupted", "sweep_failed", "preferences_not_heard"}
LOOPS_OF_WORKER = {"tick_failed", "celery_not_connected", "snapshot_not_published"}


def lines_since(process: RunningModule, num_before: int) -> list[str]:
    return process.lines[num_before:]


def check(process: RunningModule, num_before: int, loops: set[str], num_open: int) -> None:
    """Each fault once, then its numbers, then its end."""
    lines = process.lines[num_before:]
    first = Counter(fault for fault in loops for line in lines if f'"event": "{fault}"' in line)
    assert first == dict.fromkeys(loops, 1), "\n".join(lines)
    for event in ("fault_goes_on", "fault_over"):
        told = [line["fault"] for line in process.events(event)]
        assert len(set(told)) == len(told), told
        assert loops <= set(told), f"{event}: {told}"
    assert sum(line["num"] for line in process.events("fault_over")) > 20
    assert len(lines) < 30 + num_open, "\n".join(lines)


async def test_a_fault_of_redis_is_logged_once_and_then_counted(tmp_path: Path) -> None:
    with site_at(tmp_path) as site:
        settings = {**PACED, "PARLEY_REDIS_URL": site.server.url}
        async with FakeDiscord() as server, make_slack() as slack:
            person = server.add_user("ann").id
            guild = server.add_guild("team", members=[person])
            discord = Discord(server, [person], [server.add_channel(guild, "general").id])
            both = {
                **site.settings,
                **discord.settings,
                "PARLEY_SLACK_API_URL": slack.api_url,
                "SLACK_BOT_TOKEN": slack.bot_token,
                "SLACK_APP_TOKEN": slack.app_token,
            }
            with RunningModule("worker", "paced", "20", settings=settings) as worker:
                await asyncio.to_thread(worker.wait_for_event, "worker_ready")
                async with bots_at(both, discord.is_ready) as bots:
                    await discord.ask(text="Tell me a story.")
                    await wait_until(lambda: server.replies(discord.channels[0]), "an answer")
                    num_before = [len(process.lines) for process in (worker, bots)]

                    site.kill_redis()
                    await asyncio.sleep(AWAY_S)
                    site.start_redis()

                    for process, loops in ((worker, LOOPS_OF_WORKER), (bots, LOOPS_OF_BOTS)):
                        await asyncio.to_thread(process.wait_for_event, "fault_over", len(loops))
                    await asyncio.sleep(1)
                    check(worker, num_before[0], LOOPS_OF_WORKER, 1)
                    check(bots, num_before[1], LOOPS_OF_BOTS, 1)
