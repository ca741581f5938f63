"""The fake Slack as a process of its own."""

import asyncio
import json
import sys
from typing import Any

import aiohttp
from slack_sdk.web.async_client import AsyncWebClient

from tests.platform.fake_slack.calls import MENTION, error_of


async def test_another_process_is_driven_over_http() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.fakes.slack_server", stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    ready = json.loads(await process.stdout.readline())
    client = AsyncWebClient(ready["bot_token"], base_url=ready["api_url"])
    async with aiohttp.ClientSession(ready["control_url"]) as session:

        async def act(control: str, **arguments: object) -> dict[str, Any]:
            async with session.post(control, json=arguments) as answer:
                result: dict[str, Any] = await answer.json()
            return result

        async def show(control: str, **query: str) -> Any:  # noqa: ANN401 - any JSON
            async with session.get(control, params=query) as answer:
                return (await answer.json())["result"]

        await act("add_channel", channel_id="C1", name="general")
        await act("settings", max_retries=0)
        said = (await act("say", channel="C1", user="U1", text=MENTION))["result"]
        await client.chat_postMessage(channel="C1", text="Hello.", thread_ts=said["ts"])
        seen = await act("wait_for_message", channel="C1", containing="Hello.")
        slow = await act("wait_for_message", channel="C1", containing="never", timeout_s=0.01)
        wrong = await act("no_such_control")
        await act("fail_next", method="chat.postMessage", error="fatal_error")
        assert await error_of(client.chat_postMessage(channel="C1", text="x")) == "fatal_error"

        assert seen["result"]["user"] == "U0PARLEY"
        assert [slow["ok"], wrong["ok"]] == [False, False]
        assert [m["text"] for m in await show("messages", channel="C1")] == [MENTION, "Hello."]
        assert len(await show("requests", method="chat.postMessage")) == 2
        assert len(await show("deliveries")) == 3  # message, app_mention and the bot's own
        assert (await show("settings"))["max_retries"] == 0
    process.terminate()
    assert await process.wait() == 0
