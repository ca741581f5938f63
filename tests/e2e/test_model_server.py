"""Workers whose model a server runs: ``transformers serve``, from a mention to its answer."""

import asyncio
from pathlib import Path

import yarl

from tests.e2e.conftest import ALICE, CHANNEL, free_port
from tests.e2e.test_slack import answers, wait_whole
from tests.fakes.discord_model import Attachment
from tests.fakes.discord_server import FakeDiscord
from tests.fakes.slack_server import FakeSlack
from tests.fakes.tcp_proxy import TcpProxy
from tests.fakes.tiny_seer import picture, save_tiny_seer
from tests.model_server import model_server
from tests.running import RunningModule

SOME_BYTES, PAUSE_S = 2_000, 0.5
"""So much of an answer passes at a time; all of it, 400 tokens, would be some 100,000 bytes."""


async def test_answers_of_a_model_server_outlive_a_worker_and_wait_for_the_server(
    slack: FakeSlack,
    slack_settings: dict[str, str],
    own_redis: str,
    endless_model: Path,
    tmp_path: Path,
) -> None:
    alone = {"PARLEY_REDIS_URL": own_redis}
    with (
        model_server(endless_model, tmp_path / "home") as url,
        TcpProxy(yarl.URL(url).port or 0) as proxy,
        RunningModule("bots", settings={**slack_settings, **alone}) as bots,
    ):
        served = {
            **alone,
            "PARLEY_ENGINE": "openai",
            "PARLEY_OPENAI_BASE_URL": f"http://127.0.0.1:{proxy.port}/v1",
            "PARLEY_MODEL": str(endless_model),
            "PARLEY_MAX_NEW_TOKENS": "400",
            "PARLEY_THINKING": "off",
            "PARLEY_LEASE_S": "3",
        }
        with RunningModule("worker", settings=served) as first:
            await asyncio.to_thread(first.wait_for_event, "worker_ready")
            await asyncio.to_thread(bots.wait_for_event, "slack_ready")
            proxy.pause_answers_after(SOME_BYTES)
            await slack.say(CHANNEL, ALICE, f"<@{slack.bot_user_id}> tell me a long story")
            while not any(len(m.text) > 20 for m in answers(slack, CHANNEL)):
                await asyncio.sleep(PAUSE_S)
                proxy.pause_answers_after(SOME_BYTES)
                proxy.resume()
            first.kill()
        (cut,) = answers(slack, CHANNEL)
        assert "length limit" not in cut.text
        proxy.reset()
        proxy.resume()

        with RunningModule("worker", settings=served) as second:
            (whole,) = await wait_whole(slack, CHANNEL)
            assert whole.ts == cut.ts
            assert whole.text.startswith(cut.text)

            # nobody listens where the server was
            port, proxy.target_port = proxy.target_port, free_port()
            proxy.reset()
            await slack.say(CHANNEL, ALICE, f"<@{slack.bot_user_id}> and another one")
            await asyncio.to_thread(second.wait_for_event, "remote_away")
            proxy.target_port = port

            await wait_whole(slack, CHANNEL, count=2)
            assert second.process.poll() is None


async def test_pictures_beside_a_question_are_shown_to_a_model_that_can_see(
    slack: FakeSlack,
    slack_settings: dict[str, str],
    discord_server: FakeDiscord,
    discord_settings: dict[str, str],
    own_redis: str,
    tmp_path: Path,
) -> None:
    alice = discord_server.add_user("alice")
    here = discord_server.add_channel(discord_server.add_guild("team", members=[alice]), "here")
    seer = save_tiny_seer(tmp_path / "seer")
    shared = {"PARLEY_REDIS_URL": own_redis, "PARLEY_READ_PICTURES": "1"}
    with (
        model_server(seer, tmp_path / "home") as url,
        RunningModule(
            "worker",
            settings={
                **shared,
                "PARLEY_ENGINE": "openai",
                "PARLEY_OPENAI_BASE_URL": url,
                "PARLEY_MODEL": str(seer),
                "PARLEY_MAX_NEW_TOKENS": "30",
                "PARLEY_THINKING": "off",
            },
        ),
        RunningModule("bots", settings={**discord_settings, **slack_settings, **shared}) as bots,
    ):
        await asyncio.to_thread(bots.wait_for_event, "slack_ready")
        await asyncio.to_thread(bots.wait_for_event, "discord_ready")
        for color in ("red", "blue"):
            shown = picture(color)
            await slack.share(CHANNEL, ALICE, {"a.png": shown}, f"<@{slack.bot_user_id}> What?")
            await discord_server.say(
                here,
                alice,
                f"<@{discord_server.bot_user_id}> What?",
                attachments=[Attachment("a.png", shown, "image/png")],
            )

        on_slack = [m.text for m in await wait_whole(slack, CHANNEL, count=2)]
        replies = await discord_server.wait_for_replies(here, 2, "length limit")

    on_discord = [m.content for m in replies]
    for red, blue in (on_slack, on_discord):
        assert "see" not in red.split()
        assert red != blue


async def test_a_worker_without_its_model_server_ends_in_a_sentence(own_redis: str) -> None:
    settings = {
        "PARLEY_REDIS_URL": own_redis,
        "PARLEY_ENGINE": "openai",
        "PARLEY_OPENAI_BASE_URL": f"http://127.0.0.1:{free_port()}/v1",
        "PARLEY_OPENAI_API_KEY": "canary-7f3a",
    }
    with RunningModule("worker", settings=settings) as worker:
        code = await asyncio.to_thread(worker.process.wait)

        assert code == 68
        assert "No model server answers at" in worker.output
        assert "canary-7f3a" not in worker.output
        assert "Traceback" not in worker.output
