"""Commands, buttons and shortcuts of the fake Slack, by both ways in."""

from collections.abc import Awaitable, Callable

import pytest
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.webhook.async_client import AsyncWebhookClient

from tests.fakes.slack_server import FakeSlack
from tests.platform.fake_slack.listening import Listener, Way, by_http, by_socket


@pytest.mark.parametrize("way", [by_socket, by_http])
async def test_commands_buttons_and_shortcuts_arrive(
    slack: FakeSlack, client: AsyncWebClient, way: Way
) -> None:
    button = {"type": "button", "action_id": "stop", "value": "j1"}
    blocks = [{"type": "actions", "elements": [button]}]
    posted = await client.chat_postMessage(channel="C1", text="…", blocks=blocks)
    async with way(Listener(slack)) as listener:
        deliveries = [
            await slack.slash("C1", "U1", "/ask", "why?"),
            await slack.press_button("C1", posted["ts"], "U1", "stop"),
            await slack.use_message_shortcut("C1", posted["ts"], "U1", "summarize"),
        ]
        await slack.wait_for(lambda: all(d.state == "acked" for d in deliveries))

    by_type = {body.get("type", "command"): body for body in listener.heard}
    assert by_type["command"]["text"] == "why?"
    assert by_type["block_actions"]["actions"][0]["value"] == "j1"
    assert by_type["message_action"]["message_ts"] == posted["ts"]


async def test_a_response_url_takes_five_answers(slack: FakeSlack) -> None:
    slack.max_retries = 0
    command = await slack.slash("C1", "U1", "/ask")
    webhook = AsyncWebhookClient(command.payload["response_url"])
    answers = [await webhook.send(text="to you")]
    answers += [await webhook.send(text="to all", response_type="in_channel") for _ in range(5)]

    assert [a.status_code for a in answers] == [200] * 5 + [404]
    seen_by = [m.is_ephemeral_for for m in slack.messages("C1")]
    assert seen_by == ["U1", None, None, None, None]


async def test_a_command_is_shown_to_all_if_its_answer_is_and_says_nothing(
    slack: FakeSlack,
) -> None:
    listener = Listener(slack)

    async def show(ack: Callable[..., Awaitable[None]]) -> None:
        await ack({"response_type": "in_channel"})

    listener.app.command("/show")(show)
    async with by_socket(listener):
        delivery = await slack.slash("C1", "U1", "/show", "me")
        await slack.wait_for(lambda: delivery.state == "acked")

    (message,) = slack.messages("C1")
    assert (message.user, message.text) == ("U1", "/show me")
