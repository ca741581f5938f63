"""Whom a message on the fake Slack would have called."""

import pytest
from slack_sdk.web.async_client import AsyncWebClient

from tests.fakes.slack_server import FakeSlack
from tests.fakes.slack_store import find_live_mentions


@pytest.mark.parametrize(
    ("text", "mentions"),
    [
        ("<!channel> and <!here|here>", ["<!channel>", "<!here>"]),
        ("`<!everyone>`", ["<!everyone>"]),
        ("<@U1> <@U1|ada> <!subteam^S1>", ["<@U1>", "<@U1>", "<!subteam^S1>"]),
        ("&lt;!channel&gt; @channel <#C1> <https://a.example|@here>", []),
    ],
)
def test_live_mentions_are_those_slack_would_resolve(text: str, mentions: list[str]) -> None:
    assert list(find_live_mentions(text)) == mentions


async def test_a_message_remembers_every_mention_it_made(
    slack: FakeSlack, client: AsyncWebClient
) -> None:
    safe = {"type": "plain_text", "text": "<!here>"}
    live = {"type": "mrkdwn", "text": "<@U1>"}
    blocks = [{"type": "section", "text": safe}, {"type": "section", "text": live}]
    ts = (await client.chat_postMessage(channel="C1", text="<!channel>"))["ts"]
    await client.chat_update(channel="C1", ts=ts, text="calm", blocks=blocks)
    await client.chat_postMessage(channel="C1", text="@here", link_names=True)

    first, second = slack.messages("C1")
    assert first.live_mentions == ["<!channel>", "<@U1>"]
    assert second.live_mentions == ["<!here>"]
