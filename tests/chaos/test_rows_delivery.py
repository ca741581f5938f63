"""What platforms, networks and crashes do to answers: the rows of docs/reliability.md."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest

from bots.delivery.manager import MAX_ENDINGS
from bots.render.discord import render_for_discord
from bots.render.slack import render_for_slack
from shared.jobs import Job, Platform
from shared.ledger import keys
from tests.chaos.towns import (
    EDIT,
    POST,
    DiscordTown,
    SlackTown,
    Town,
    bots_in,
    start_bots_in,
    town_of,
)
from tests.chaos.way_out import Scribe, wait_for

LONG = "\n\n".join(f"Paragraph {number}. {'word ' * 150}" for number in range(12)).strip()
"""Some 9,000 characters: several posts on either platform."""
NUM_PILED_UP = 300
RENDER = {Platform.SLACK: render_for_slack, Platform.DISCORD: render_for_discord}


@pytest.fixture
async def slack_town(quiet_redis: str) -> AsyncIterator[SlackTown]:
    del quiet_redis
    async with town_of(Platform.SLACK) as found:
        assert isinstance(found, SlackTown)
        yield found


@pytest.fixture
async def discord_town(quiet_redis: str) -> AsyncIterator[DiscordTown]:
    del quiet_redis
    async with town_of(Platform.DISCORD) as found:
        assert isinstance(found, DiscordTown)
        yield found


async def accept(scribe: Scribe, town: Town, place: str = "", thread: str = "") -> Job:
    origin = await town.ask(place or town.add_place(), thread)
    return await asyncio.to_thread(scribe.accept, origin)


async def answer(scribe: Scribe, job: Job, text: str) -> None:
    await asyncio.to_thread(scribe.answer, job, text)


async def wait_delivered(scribe: Scribe, *jobs: Job) -> None:
    for job in jobs:
        await asyncio.to_thread(scribe.wait_state, job, "delivered", timeout_s=40)


def parts_of(town: Town, text: str) -> list[str]:
    return [part.strip() for part in RENDER[town.platform](text)]


@pytest.mark.parametrize("knows_nonces", [True, False], ids=["soon", "later"])
async def test_row_22_bots_killed_around_a_post_leave_one_message(
    town: Town, scribe: Scribe, quiet_redis: str, *, knows_nonces: bool
) -> None:
    """Three answers, each in another moment when the process dies: see the comments.

    ``later``: Discord has forgotten the nonces by then.
    """
    if isinstance(town, DiscordTown) and not knows_nonces:
        town.discord.settings.nonce_window_s = 0
    unsent, unnoted, noted = [await accept(scribe, town) for _ in range(3)]
    for job in (unsent, unnoted, noted):  # who waits long for a worker would read a notice
        await asyncio.to_thread(scribe.begin, job)
    bots = await start_bots_in(town, quiet_redis)
    await asyncio.to_thread(scribe.write, noted, "It begins")
    await asyncio.to_thread(wait_for, lambda: scribe.part(noted), "a note of the first post")

    # between the post and its note: the platform has it, its answer is on the way
    town.proxy.pause_answers()
    await asyncio.to_thread(scribe.end, unnoted, "not noted")
    await town.wait_for(lambda: town.visible(unnoted.origin.channel))
    # after the note, before the entry is acknowledged: the last edit's answer is on the way
    await asyncio.to_thread(scribe.end, noted, "It begins and ends")
    await town.wait_for(lambda: town.visible(noted.origin.channel) == ["It begins and ends"])
    # before the post: the ledger knows that it was begun, the platform does not
    town.proxy.pause()
    await asyncio.to_thread(scribe.end, unsent, "not sent")
    key = keys.job(unsent.id)
    await asyncio.to_thread(
        wait_for, lambda: scribe.client.hexists(key, "posting:0"), "a post to be begun"
    )
    await asyncio.to_thread(bots.kill)
    town.proxy.reset()
    town.proxy.resume()
    assert town.visible(unsent.origin.channel) == []

    async with bots_in(town, quiet_redis):
        await wait_delivered(scribe, unsent, unnoted, noted)

    assert town.histories(unsent.origin.channel) == [["not sent"]]
    assert [texts[-1] for texts in town.histories(unnoted.origin.channel)] == ["not noted"]
    assert [texts[-1] for texts in town.histories(noted.origin.channel)] == ["It begins and ends"]
    await asyncio.to_thread(bots.stop)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("is_cut", [False, True], ids=["heard", "cut"])
async def test_row_22_bots_frozen_before_a_post_take_it_back_if_others_have_posted(
    slack_town: SlackTown, scribe: Scribe, quiet_redis: str, *, is_cut: bool
) -> None:
    """Slack knows no nonces: what a process sends that wakes up too late stands there twice."""
    town = slack_town
    job = await accept(scribe, town)
    place = job.origin.channel
    frozen = await start_bots_in(town, quiet_redis)
    town.proxy.pause()
    await asyncio.to_thread(scribe.begin, job)
    await asyncio.to_thread(scribe.write, job, "It begins")
    await asyncio.to_thread(
        wait_for, lambda: town.proxy.is_holding(b"begins"), "a post to be on its way"
    )
    frozen.process.send_signal(signal.SIGSTOP)
    await asyncio.to_thread(scribe.end, job, "It begins and ends")
    async with bots_in(town, quiet_redis, {"PARLEY_SLACK_API_URL": town.slack.api_url}):
        await wait_delivered(scribe, job)
    assert town.visible(place) == ["It begins and ends"]

    # what the frozen process had sent arrives
    town.proxy.resume()
    await town.wait_for(lambda: len(town.visible(place)) == 2)
    if is_cut:
        town.proxy.reset()
    frozen.process.send_signal(signal.SIGCONT)

    await town.wait_for(lambda: town.visible(place) == ["It begins and ends"])
    await asyncio.to_thread(frozen.stop)


async def test_row_23_a_connection_cut_after_a_post_makes_no_second_one(
    town: Town, scribe: Scribe, quiet_redis: str
) -> None:
    """The first part, a further one, and edits; Discord's nonces are of no help here."""
    if isinstance(town, DiscordTown):
        town.discord.settings.nonce_window_s = 0
    job = await accept(scribe, town)
    place, parts = job.origin.channel, parts_of(town, LONG)
    async with bots_in(town, quiet_redis):
        town.cut_after(POST, times=2)
        town.cut_after(EDIT, times=3)
        await asyncio.to_thread(scribe.begin, job)
        await asyncio.to_thread(scribe.write, job, LONG[:200])
        await town.wait_for(lambda: town.visible(place))

        await asyncio.to_thread(scribe.end, job, LONG)

        await town.wait_for(lambda: town.visible(place) == parts)
        await wait_delivered(scribe, job)

    assert len(parts) > 2
    assert town.visible(place) == parts


async def test_row_25_a_server_error_after_a_post_makes_no_second_one(
    town: Town, scribe: Scribe, quiet_redis: str
) -> None:
    done = await accept(scribe, town)
    async with bots_in(town, quiet_redis):
        town.fail_after(POST, times=2)
        town.fail_after(EDIT, times=2)
        await answer(scribe, done, LONG)
        await wait_delivered(scribe, done)

        failed = await accept(scribe, town)
        for status in (500, 502, 503):
            town.fail(POST, status, times=1)
        await answer(scribe, failed, "at last")
        await wait_delivered(scribe, failed)

    assert town.visible(done.origin.channel) == parts_of(town, LONG)
    assert town.histories(failed.origin.channel) == [["at last"]]


@pytest.mark.parametrize("times", [1, 2, 7], ids=["once", "twice", "storm"])
async def test_row_24_rate_limits_delay_answers_and_keep_their_order(
    town: Town, scribe: Scribe, quiet_redis: str, times: int
) -> None:
    place = town.add_place()
    first = await accept(scribe, town, place)
    others = [await accept(scribe, town, place, first.origin.thread) for _ in range(9)]
    async with bots_in(town, quiet_redis):
        town.limit(POST, 0.3, times)
        for number, job in enumerate([first, *others]):
            await answer(scribe, job, f"answer {number}")
        await wait_delivered(scribe, first, *others)

    assert town.histories(place) == [[f"answer {number}"] for number in range(10)]
    # nobody hammers: one call finds out whether it is over, and the others wait for it
    assert town.num_calls(POST) == 10 + times


async def test_row_24_an_ending_goes_before_texts_that_wait(
    town: Town, scribe: Scribe, quiet_redis: str
) -> None:
    place = town.add_place()
    jobs = [await accept(scribe, town, place) for _ in range(4)]
    async with bots_in(town, quiet_redis) as bots:
        for job in jobs:
            await asyncio.to_thread(scribe.begin, job)
        town.limit(POST, 3.0, times=1)
        await asyncio.to_thread(scribe.write, jobs[0], "so far")
        await town.wait_for(lambda: town.num_calls(POST) == 1)
        for job in jobs[1:]:
            await asyncio.to_thread(scribe.write, job, "so far")

        await asyncio.to_thread(scribe.end, jobs[-1], "the end")

        await wait_delivered(scribe, jobs[-1])
        await town.wait_for(lambda: len(town.visible(place)) == 4)
        assert bots.process.poll() is None

    texts = town.histories(place)
    endings = [number for number, read in enumerate(texts) if read[0] == "the end"]
    # discord.py itself waits with the call that it has in hand
    assert endings == ([1] if town.platform is Platform.DISCORD else [0])


async def test_row_24_discord_behind_cloudflare_is_left_alone_everywhere(
    discord_town: DiscordTown, scribe: Scribe, quiet_redis: str
) -> None:
    jobs = [await accept(scribe, discord_town) for _ in range(6)]
    async with bots_in(discord_town, quiet_redis) as bots:
        discord_town.discord.ban_by_cloudflare(
            "POST", "/channels/{channel_id}/messages", retry_after_s=2, times=2
        )
        for job in jobs:
            await answer(scribe, job, "at last")
        await wait_delivered(scribe, *jobs)
        assert bots.events("final_delayed")

    assert [discord_town.histories(job.origin.channel) for job in jobs] == [[["at last"]]] * 6
    # those that were under way when the first answer came; nobody else until it is over
    assert discord_town.num_calls(POST) <= 6 + 2


async def test_row_24_slack_may_limit_the_look_for_a_post_that_is_in_doubt(
    slack_town: SlackTown, scribe: Scribe, quiet_redis: str
) -> None:
    place = slack_town.add_place()
    first = await accept(scribe, slack_town, place)
    second = await accept(scribe, slack_town, place, first.origin.thread)
    async with bots_in(slack_town, quiet_redis):
        slack_town.cut_after(POST, times=1)
        slack_town.slack.fail_next("conversations.replies", status=429, retry_after_s=1, times=2)
        await answer(scribe, first, "one")
        await answer(scribe, second, "two")
        await wait_delivered(scribe, first, second)

    assert slack_town.visible(place) == ["one", "two"]
    assert len(slack_town.slack.calls("conversations.replies")) == 3


def num_in_hand(scribe: Scribe, town: Town) -> int:
    """Final replies that bots have read and not shown."""
    summary: Any = scribe.client.xpending(keys.outbox(town.platform), keys.OUTBOX_GROUP)
    return int(summary["pending"])


def is_empty_and_was_bounded(scribe: Scribe, town: Town) -> bool:
    """Whether everything is shown; fail if at any moment more was in memory than may be."""
    assert num_in_hand(scribe, town) <= MAX_ENDINGS
    return scribe.num_in_outbox(town.platform) == 0


async def test_row_34_nothing_unread_is_trimmed_and_a_slow_platform_fills_no_memory(
    town: Town, scribe: Scribe, quiet_redis: str
) -> None:
    places = [town.add_place() for _ in range(5)]
    roots = [await accept(scribe, town, place) for place in places]
    jobs = [*roots]
    for number in range(NUM_PILED_UP - len(roots)):
        root = roots[number % len(roots)].origin
        jobs.append(await accept(scribe, town, root.channel, root.thread))
    for number, job in enumerate(jobs):  # while no bots process lives
        await answer(scribe, job, f"answer {number}")
    assert scribe.num_in_outbox(town.platform) == NUM_PILED_UP

    town.delay(POST, 4.0, times=len(places))  # a slow platform: what there is no room for waits
    async with bots_in(town, quiet_redis) as bots:
        await asyncio.to_thread(
            wait_for,
            lambda: num_in_hand(scribe, town) == MAX_ENDINGS,
            "as many as there is room for",
        )
        await asyncio.to_thread(wait_for, lambda: is_empty_and_was_bounded(scribe, town), "the end")
        await wait_delivered(scribe, *jobs)
        assert bots.events("outbox_entries_deleted") == []

    for number, place in enumerate(places):
        numbers = range(number, NUM_PILED_UP, len(places))
        assert town.histories(place) == [[f"answer {number}"] for number in numbers]


async def test_row_34_a_reply_that_somebody_trimmed_raises_an_alarm(
    slack_town: SlackTown, scribe: Scribe, quiet_redis: str
) -> None:
    job = await accept(scribe, slack_town)
    stream = keys.outbox(slack_town.platform)
    await answer(scribe, job, "trimmed")
    scribe.client.xgroup_create(stream, keys.OUTBOX_GROUP, id="0")
    scribe.client.xreadgroup(keys.OUTBOX_GROUP, "dead", {stream: ">"})
    scribe.client.xtrim(stream, maxlen=0, approximate=False)

    async with bots_in(slack_town, quiet_redis) as bots:
        await asyncio.to_thread(bots.wait_for_event, "outbox_entries_deleted", 1, 20)


async def test_a_reply_that_cannot_be_read_is_a_sentence_and_no_stray_one_stops_the_others(
    town: Town, scribe: Scribe, quiet_redis: str
) -> None:
    job, other = await accept(scribe, town), await accept(scribe, town)
    await answer(scribe, job, "unreadable")
    stream: Any = keys.outbox(town.platform)
    scribe.client.xtrim(stream, maxlen=0, approximate=False)
    strays: list[Any] = [{"job": "strange", "reply": "{"}, {"x": "y"}]
    for fields in ({"job": job.id, "reply": "{"}, *strays):
        scribe.client.xadd(stream, fields)

    bots = await start_bots_in(town, quiet_redis)
    try:
        await answer(scribe, other, "as ever")
        await wait_delivered(scribe, job, other)
        await asyncio.to_thread(
            wait_for, lambda: scribe.num_in_outbox(town.platform) == 0, "an empty outbox"
        )
        assert len(bots.events("reply_without_job")) == 2
    finally:
        await asyncio.to_thread(bots.stop)  # it has traced what it could not read

    assert town.visible(job.origin.channel) == [
        "Something went wrong with this answer. Please ask again."
    ]
    assert town.visible(other.origin.channel) == ["as ever"]


async def test_what_is_deleted_is_posted_again_and_its_ending_stands(
    town: Town, scribe: Scribe, quiet_redis: str
) -> None:
    """Discord knows the nonce of what was deleted, and refuses it."""
    job = await accept(scribe, town)
    place = job.origin.channel
    async with bots_in(town, quiet_redis):
        await asyncio.to_thread(scribe.begin, job)
        await asyncio.to_thread(scribe.write, job, "so far")
        await asyncio.to_thread(wait_for, lambda: scribe.part(job), "a note of the post")
        begun = scribe.part(job)
        if isinstance(town, SlackTown):
            await town.slack.delete_message(place, begun)
        elif isinstance(town, DiscordTown):
            await town.discord.delete_message(int(begun))

        await asyncio.to_thread(scribe.end, job, "the end")

        await wait_delivered(scribe, job)
    assert town.visible(place) == ["the end"]


async def test_an_edit_that_comes_to_pass_late_does_not_cover_the_ending(
    slack_town: SlackTown, scribe: Scribe, quiet_redis: str
) -> None:
    """The bots give the edit up after 10 s; Slack carries it out after 12."""
    job = await accept(scribe, slack_town)
    place = job.origin.channel
    async with bots_in(slack_town, quiet_redis):
        await asyncio.to_thread(scribe.begin, job)
        await asyncio.to_thread(scribe.write, job, "so far")
        await slack_town.wait_for(lambda: slack_town.visible(place) == ["so far"])
        slack_town.delay(EDIT, 12.0, times=1)
        await asyncio.to_thread(scribe.write, job, "so far, and no further")
        await slack_town.wait_for(lambda: slack_town.num_calls(EDIT) == 1)

        await asyncio.to_thread(scribe.end, job, "the end")

        await wait_delivered(scribe, job)
    assert slack_town.histories(place) == [
        ["so far", "the end", "so far, and no further", "the end"]
    ]


async def test_what_a_frozen_process_had_sent_does_not_cover_the_ending(
    slack_town: SlackTown, scribe: Scribe, quiet_redis: str
) -> None:
    town = slack_town
    job = await accept(scribe, town)
    place = job.origin.channel
    frozen = await start_bots_in(town, quiet_redis)
    await asyncio.to_thread(scribe.begin, job)
    await asyncio.to_thread(scribe.write, job, "It begins")
    is_busy = partial(scribe.client.hexists, keys.job(job.id), "lock")
    await asyncio.to_thread(
        wait_for, lambda: scribe.part(job) and not is_busy(), "the first post to be over"
    )
    town.proxy.pause()
    await asyncio.to_thread(scribe.write, job, "It begins and goes on")
    await asyncio.to_thread(wait_for, town.proxy.is_holding, "an edit to be on its way")
    frozen.process.send_signal(signal.SIGSTOP)
    await asyncio.to_thread(scribe.end, job, "the end")
    async with bots_in(town, quiet_redis, {"PARLEY_SLACK_API_URL": town.slack.api_url}):
        await wait_delivered(scribe, job)
    assert town.visible(place) == ["the end"]

    town.proxy.resume()
    await town.wait_for(lambda: town.visible(place) == ["It begins and goes on"])
    frozen.process.send_signal(signal.SIGCONT)

    await town.wait_for(lambda: town.visible(place) == ["the end"])
    await asyncio.to_thread(frozen.stop)


async def test_an_ending_shorter_than_the_text_before_it_leaves_no_rest(
    town: Town, scribe: Scribe, quiet_redis: str
) -> None:
    job = await accept(scribe, town)
    place = job.origin.channel
    async with bots_in(town, quiet_redis):
        await asyncio.to_thread(scribe.begin, job)
        await asyncio.to_thread(scribe.write, job, LONG)
        await town.wait_for(lambda: len(town.visible(place)) == len(parts_of(town, LONG)))

        await asyncio.to_thread(scribe.end, job, "In short: no.")

        await wait_delivered(scribe, job)
        await town.wait_for(lambda: town.visible(place) == ["In short: no."])


async def test_row_40_a_reply_of_a_newer_version_is_left_to_a_process_that_can_read_it(
    slack_town: SlackTown, scribe: Scribe, quiet_redis: str
) -> None:
    job, other = await accept(scribe, slack_town), await accept(scribe, slack_town)
    await answer(scribe, job, "of the future")
    stream: Any = keys.outbox(slack_town.platform)
    scribe.client.xtrim(stream, maxlen=0, approximate=False)
    newer = json.dumps({"v": 2, "type": "done", "body": {"words": "of the future"}})
    left: Any = scribe.client.xadd(stream, {"job": job.id, "reply": newer})

    async with bots_in(slack_town, quiet_redis) as bots:
        await answer(scribe, other, "as ever")
        await wait_delivered(scribe, other)

        def is_claimed() -> bool:
            """Whether a bots process of the newer version gets it."""
            found: Any = scribe.client.xautoclaim(
                stream, keys.OUTBOX_GROUP, "newer", keys.CLAIM_AFTER_MS
            )
            return left in [entry for entry, _ in found[1]]

        await asyncio.to_thread(wait_for, is_claimed, "the entry for another process")
        assert len(bots.events("newer_document")) == 1, "it says so once"
    assert scribe.client.hget(keys.job(job.id), "state") == b"done"
    assert scribe.client.zscore(keys.UNREADABLE, job.id) is not None
