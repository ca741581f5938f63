"""A worker that dies in the middle of an answer: another one finishes the same message."""

import asyncio

from tests.e2e.conftest import ALICE, CHANNEL, running_bots
from tests.e2e.test_slack import answers, wait_whole
from tests.fakes.paced_model import SLOWLY
from tests.fakes.slack_server import FakeSlack
from tests.running import RunningModule

TAKEOVER_S = 60


async def test_killed_workers_answer_is_finished_by_another_in_the_same_message(
    slack: FakeSlack,
    worker_settings: dict[str, str],
    slack_settings: dict[str, str],
    own_redis: str,
) -> None:
    alone = {"PARLEY_REDIS_URL": own_redis}
    slow = {**worker_settings, **alone, "PARLEY_MAX_NEW_TOKENS": "600", "PARLEY_LEASE_S": "1"}
    with RunningModule("tests.paced_worker", settings=slow) as first:
        async with running_bots({**slack_settings, **alone}) as bots:
            await asyncio.to_thread(first.wait_for_event, "worker_ready")
            await asyncio.to_thread(bots.wait_for_event, "slack_ready")
            await slack.say(CHANNEL, ALICE, f"<@{slack.bot_user_id}> tell me {SLOWLY} a long story")
            with RunningModule("tests.paced_worker", settings=slow) as second:
                await slack.wait_for(
                    lambda: any(len(m.text) > 50 for m in answers(slack, CHANNEL)),
                    timeout_s=TAKEOVER_S,
                )
                await asyncio.to_thread(second.wait_for_event, "worker_ready")
                first.kill()
                (cut,) = answers(slack, CHANNEL)
                shown = cut.text
                assert "length limit" not in shown

                (whole,) = await wait_whole(slack, CHANNEL, timeout_s=TAKEOVER_S)

                assert whole.ts == cut.ts
                assert whole.text.startswith(shown), "it goes on from the text already shown"
                assert len(bots.events("job_delivered")) <= 1
                assert second.events("job_ended")[-1]["outcome"] == "done"
