"""What the fake Slack tells of its channels: history, people, reactions, pins, links."""

from slack_sdk.web.async_client import AsyncWebClient

from tests.fakes.slack_server import FakeSlack
from tests.platform.fake_slack.calls import error_of


async def test_history_pages_through_what_stands_in_the_channel(
    slack: FakeSlack, client: AsyncWebClient
) -> None:
    said = [await slack.say("C1", "U1", f"m{n}") for n in range(5)]
    await slack.say("C1", "U1", "in the thread", thread_ts=said[0].ts)
    await client.chat_postEphemeral(channel="C1", user="U1", text="only you")

    pages = await client.conversations_history(channel="C1", limit=2)
    texts = [[m["text"] for m in page["messages"]] async for page in pages]
    one = await client.conversations_history(
        channel="C1", latest=said[3].ts, inclusive=True, limit=1
    )
    span = await client.conversations_history(channel="C1", oldest=said[2].ts)

    assert texts == [["m4", "m3"], ["m2", "m1"], ["m0"]]
    assert [m["text"] for m in one["messages"]] == ["m3"]
    assert [m["text"] for m in span["messages"]] == ["m4", "m3"]
    assert slack.messages("C1")[-1].is_ephemeral_for == "U1"


async def test_users_channels_and_reactions_answer(
    slack: FakeSlack, client: AsyncWebClient
) -> None:
    said = await slack.say("C1", "U1", "hi")
    reaction = {"channel": "C1", "timestamp": said.ts, "name": "eyes"}

    await client.reactions_add(**reaction)
    assert await error_of(client.reactions_add(**reaction)) == "already_reacted"
    assert said.reactions == {"eyes": ["U0PARLEY"]}
    assert (await client.users_info(user="U1"))["user"]["real_name"] == "Ada"
    assert (await client.conversations_info(channel="C1"))["channel"]["is_member"]
    opened = (await client.conversations_open(users="U1"))["channel"]["id"]
    posted = await client.chat_postMessage(channel="U1", text="hi")
    assert posted["channel"] == opened
    joined = await client.users_conversations(types="public_channel,im")
    assert [c["id"] for c in joined["channels"]] == ["C1", opened]


async def test_pins_are_told_of_and_listed(slack: FakeSlack, client: AsyncWebClient) -> None:
    message = await slack.say("C1", "U1", "remember this")

    await slack.pin("C1", message.ts, "U2")
    listed = await client.pins_list(channel="C1")
    await slack.unpin("C1", message.ts, "U2")
    after = await client.pins_list(channel="C1")

    assert [item["message"]["text"] for item in listed["items"]] == ["remember this"]
    assert after["items"] == []
    events = [d.event for d in slack.deliveries if d.event["type"].startswith("pin_")]
    assert [event["type"] for event in events] == ["pin_added", "pin_removed"]
    assert {event["item"]["message"]["ts"] for event in events} == {message.ts}


async def test_permalinks_name_the_thread_of_a_reply(
    slack: FakeSlack, client: AsyncWebClient
) -> None:
    root = await slack.say("C1", "U1", "root")
    reply = await slack.say("C1", "U1", "reply", root.ts)

    answers = [
        await client.chat_getPermalink(channel="C1", message_ts=message.ts)
        for message in (root, reply)
    ]

    place = "https://fake.slack.com/archives/C1/p"
    assert [answer["permalink"] for answer in answers] == [
        f"{place}{root.ts.replace('.', '')}",
        f"{place}{reply.ts.replace('.', '')}?thread_ts={root.ts}&cid=C1",
    ]


async def test_members_come_by_pages(slack: FakeSlack, client: AsyncWebClient) -> None:
    everybody = [f"U{number:03d}" for number in range(150)]
    slack.add_channel("C2", "large", members=everybody)

    first = await client.conversations_members(channel="C2")
    cursor = first["response_metadata"]["next_cursor"]
    second = await client.conversations_members(channel="C2", cursor=cursor)

    assert [*first["members"], *second["members"]] == everybody
    assert second["response_metadata"]["next_cursor"] == ""
