"""Discord's buttons over a restart of the bots.

In a file of its own: two bots processes for different Discords would share one outbox.
"""

from pathlib import Path

import pytest

from tests.e2e.conftest import start_bots, stop_bots
from tests.e2e.test_discord_verbs import Town, bots_settings, is_over
from tests.fakes.discord_server import FakeDiscord
from tests.fakes.discord_settings import Settings
from tests.running import RunningModule

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_buttons_of_before_a_restart_work(
    worker: RunningModule, redis_server: str, tmp_path: Path
) -> None:
    del worker
    async with FakeDiscord(settings=Settings(rate_limit=None)) as server:
        alice = server.add_user("alice")
        here = server.add_channel(server.add_guild("team", members=[alice]), "here")
        town = Town(server, here, alice, alice, alice)
        settings = bots_settings(server, redis_server, tmp_path)
        bots = await start_bots(settings)
        await server.wait_until_connected()
        await town.ask()
        answer = await town.answer(is_over)
        await stop_bots(bots)

        bots = await start_bots(settings)
        try:
            await server.wait_for(lambda: server.gateway_status()["identifies"] == 2)
            num_edits = len(answer.edits)
            await town.press(answer, alice, "retry")
            await town.answer(lambda m: len(m.edits) > num_edits and is_over(m))
        finally:
            await stop_bots(bots)
