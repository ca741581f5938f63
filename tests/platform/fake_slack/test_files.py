"""Files that are sent to the fake Slack and shared on it."""

import aiohttp
from slack_sdk.web.async_client import AsyncWebClient

from tests.fakes.slack_server import FakeSlack
from tests.platform.fake_slack.calls import error_of


async def test_an_upload_is_shown_once_it_is_complete_and_ready(
    slack: FakeSlack, client: AsyncWebClient
) -> None:
    place = await client.files_getUploadURLExternal(filename="a.png", length=3, alt_txt="A")
    image = {"type": "image", "slack_file": {"id": place["file_id"]}, "alt_text": "A"}
    async with aiohttp.ClientSession() as session:
        early = client.files_completeUploadExternal(files=[{"id": place["file_id"]}])
        assert await error_of(early) == "file_not_found"
        async with session.post(place["upload_url"], data=b"four") as wrong:
            assert wrong.status == 400
        async with session.post(place["upload_url"], data=b"png") as right:
            assert right.status == 200
    unfinished = client.chat_postMessage(channel="C1", text="x", blocks=[image])
    assert await error_of(unfinished) == "invalid_blocks"
    await client.files_completeUploadExternal(files=[{"id": place["file_id"], "title": "A"}])
    slack.num_file_refusals = 1

    too_soon = client.chat_postMessage(channel="C1", text="x", blocks=[image])
    assert await error_of(too_soon) == "invalid_blocks"
    await client.chat_postMessage(channel="C1", text="x", blocks=[image])
    unknown = image | {"slack_file": {"id": "F9"}}
    for broken in (unknown, image | {"alt_text": ""}, {"type": "image", "alt_text": "A"}):
        refused = client.chat_postMessage(channel="C1", text="x", blocks=[broken])
        assert await error_of(refused) == "invalid_blocks"

    (message,) = slack.messages("C1")
    assert message.blocks == [image]
    assert slack.files[0].content == b"png"


async def test_a_shared_file_is_given_to_who_may_read_it(slack: FakeSlack) -> None:
    message = await slack.share("C1", "U1", {"plan.md": "# Plan"}, "learn this")
    address = message.files[0]["url_private_download"]
    headers = {"Authorization": f"Bearer {slack.bot_token}"}

    async with aiohttp.ClientSession() as session:
        async with session.get(address, headers=headers) as given:
            content = await given.text()
        async with session.get(address) as asked:
            page = await asked.text()
        slack.scopes = slack.scopes - {"files:read"}
        async with session.get(address, headers=headers) as refused:
            status, kind = refused.status, refused.content_type

    assert content == "# Plan"
    assert "Sign in" in page
    assert (status, kind) == (200, "text/html")
    (delivery,) = slack.deliveries_of(message.ts)
    assert delivery.event["subtype"] == "file_share"
    assert delivery.event["files"][0]["name"] == "plan.md"
