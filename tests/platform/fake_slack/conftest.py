"""A fake Slack with a channel and a person, and the client of slack_sdk on it."""

from collections.abc import AsyncIterator

import pytest
from slack_sdk.web.async_client import AsyncWebClient

from tests.fakes.slack_server import FakeSlack


@pytest.fixture
async def slack() -> AsyncIterator[FakeSlack]:
    async with FakeSlack(retry_after_s=3.0, http_retry_delays_s=(0.0,)) as server:
        server.add_channel("C1", "general")
        server.add_user("U1", "ada", real_name="Ada")
        yield server


@pytest.fixture
def client(slack: FakeSlack) -> AsyncWebClient:
    return AsyncWebClient(slack.bot_token, base_url=slack.api_url, retry_handlers=[])
