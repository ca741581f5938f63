"""`parley up` with a model that cannot be used: the bots stay, and the worker is tried again."""

import asyncio
import shutil
from pathlib import Path

import pytest

from bots.render.notices import failing_notice
from tests.e2e.conftest import ALICE, CHANNEL
from tests.e2e.test_slack import answers
from tests.fakes.slack_server import FakeSlack
from tests.fakes.tiny_gguf import save_tiny_gguf
from tests.patience import PATIENCE_S
from tests.running import RunningModule

SENTENCE = "parley: PARLEY_MODEL names the file chat.gguf, which is not in GGUF"


@pytest.mark.timeout(240)
async def test_the_bots_stay_and_people_are_answered_once_the_model_is_there(
    slack_settings: dict[str, str],
    own_redis: str,
    slack: FakeSlack,
    tiny_model: Path,
    tmp_path: Path,
) -> None:
    file = tmp_path / "chat.gguf"
    file.write_text("<html>You must log in to download this file.</html>")
    settings = {
        **slack_settings,
        "PARLEY_REDIS_URL": own_redis,
        "PARLEY_MODEL": str(file),
        "PARLEY_DATA_DIR": str(tmp_path / "data"),
        "PARLEY_DEVICE": "cpu",
        "PARLEY_CACHE_TOKENS": "2048",
        "PARLEY_MAX_NEW_TOKENS": "16",
    }
    with RunningModule("shared.cli", "up", settings=settings) as parley:
        await asyncio.to_thread(parley.wait_for_event, "slack_ready")
        await slack.wait_for_connections(1)
        await slack.say(CHANNEL, ALICE, f"<@{slack.bot_user_id}> is there an answer?")
        why = failing_notice("chat").strip("*")
        await slack.wait_for(
            lambda: any(why in message.text for message in answers(slack, CHANNEL)),
            timeout_s=PATIENCE_S,
        )
        deaths = parley.events("child_died")
        assert len(deaths) >= 3
        assert {(death["child"], death["exit_code"]) for death in deaths} == {("worker", 66)}
        said = [line for line in parley.lines if line.startswith("parley: ")]
        assert [line[: len(SENTENCE)] for line in said[:1]] == [SENTENCE]
        assert "The bots stay" in said[1]
        assert len(said) == 2, "once, however often it is tried"

        whole = save_tiny_gguf(tiny_model, tmp_path / "whole.gguf")
        shutil.move(whole, file)

        await asyncio.to_thread(parley.wait_for_event, "worker_ready")
        await slack.wait_for(
            lambda: any("length limit" in message.text for message in answers(slack, CHANNEL)),
            timeout_s=PATIENCE_S,
        )
        assert len(parley.events("slack_ready")) == 1, "the bots are the same ones"
