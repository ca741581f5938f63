"""Slack's commands, menus and histories: the real client, a fake Slack, a real Redis, no worker."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from urllib.parse import quote

import aiohttp
import pytest
from aiohttp import web

from bots.adapter import Link, Wiring
from bots.delivery.buttons import AnswerButtons
from bots.delivery.rate_budget import SharedRateBudget
from bots.delivery.surface import Piece
from bots.incoming.context import From, LastHours, Meant, SinceAsker, Wanted, WholeThread
from bots.incoming.reception import AWAY, TOO_MUCH
from bots.metrics import Metrics
from bots.slack.adapter import SlackAdapter
from bots.slack.factory import one_workspace
from bots.slack.handlers.history import ChannelAccess, channel_access_of
from bots.slack.parse.automation import SlackAutomationRules
from bots.slack.sdk.client import Account, SlackAccess, identify
from bots.slack.sdk.surface import SlackSurface
from bots.store import AsyncStore, open_store
from bots.tasks import end
from shared.errors import NotAMemberError, NoThreadError, UndeliverableError
from shared.jobs import Audience, Job, Kind, Origin, Platform, make_job
from shared.ledger import keys
from shared.ledger.lifecycle import AskAllowance, JobLimits, Ready
from shared.replies import Picture
from shared.tasks import Summarize
from tests.fakes.slack_delivery import Delivery, sign
from tests.fakes.slack_server import FakeSlack
from tests.fakes.tcp_proxy import TcpProxy
from tests.patience import PATIENCE_S

ALICE, BOB, EVE, CHANNEL = "U0ALICE", "U0BOB", "U0EVE", "C1"
LIMITS = JobLimits(deadline_ms=60_000, retention_ms=60_000)
FEW = AskAllowance(user_per_min=2, channel_per_min=100, max_open_per_user=100, max_queue=100)


@pytest.fixture
async def slack() -> AsyncIterator[FakeSlack]:
    async with FakeSlack(
        retry_after_s=3.0, first_ts_s=int(time.time()), ts_clock=time.time
    ) as server:
        for user, name in ((ALICE, "alice"), (BOB, "bob"), (EVE, "eve")):
            server.add_user(user, name)
        server.add_channel(CHANNEL, "general", members=[ALICE, BOB, server.bot_user_id])
        yield server


@pytest.fixture
async def store(quiet_redis: str, line: TcpProxy) -> AsyncIterator[AsyncStore]:
    head, _, _ = quiet_redis.rpartition(":")
    opened = await open_store(f"{head}:{line.port}/0", allow_volatile=False)
    yield opened
    line.resume()
    await opened.close()


@dataclass(frozen=True, slots=True)
class Bot:
    """A running adapter, its surface and what it reads with."""

    adapter: SlackAdapter
    surface: SlackSurface
    sight: ChannelAccess


@contextlib.asynccontextmanager
async def running(slack: FakeSlack, store: AsyncStore, *, by_socket: bool) -> AsyncIterator[Bot]:
    access = SlackAccess(
        slack.bot_token,
        slack.api_url,
        slack.app_token if by_socket else None,
        slack.signing_secret,
    )
    woken: list[Ready] = []

    def wake(*readies: Ready) -> None:
        woken.extend(readies)

    wiring = Wiring(store, "redis://127.0.0.1:1/0", LIMITS, FEW, 1000, wake, Metrics())
    account = Account(access, await identify(access))
    sight, surface = (
        channel_access_of(account, store),
        SlackSurface(access, SharedRateBudget(store)),
    )
    link = Link(wiring, surface, Platform.SLACK, sight.history_reader)
    adapter = one_workspace(account, link, sight, SlackAutomationRules())
    task = asyncio.create_task(adapter.run())
    if by_socket:
        await slack.wait_for_connections(2)
    try:
        yield Bot(adapter, surface, sight)
    finally:
        await end([task])
        await link.delivery.close()


@pytest.fixture
async def bot(slack: FakeSlack, store: AsyncStore) -> AsyncIterator[Bot]:
    async with running(slack, store, by_socket=True) as started:
        yield started


async def acked(slack: FakeSlack, delivery: Delivery) -> Delivery:
    await slack.wait_for(lambda: delivery.state != "waiting")
    assert (delivery.state, len(delivery.attempts)) == ("acked", 1)
    return delivery


async def jobs(store: AsyncStore) -> list[Job]:
    found = [
        await store.find_job(key.decode().removeprefix(keys.job("")))
        async for key in store.client.scan_iter(match=keys.job("*"))
    ]
    return [job for job in found if job]


async def wait_for_jobs(store: AsyncStore, number: int) -> list[Job]:
    async with asyncio.timeout(PATIENCE_S):
        while len(found := await jobs(store)) < number:  # noqa: ASYNC110 - it happens in Redis
            await asyncio.sleep(0.02)
    return found


# In time


async def test_while_redis_is_away_a_command_is_answered_with_a_sentence(
    slack: FakeSlack, bot: Bot, line: TcpProxy
) -> None:
    assert bot.adapter
    line.pause()

    delivery = await acked(slack, await slack.slash(CHANNEL, ALICE, "/parley", "complete Once"))

    await slack.wait_for(lambda: any(m.text == AWAY for m in slack.messages(CHANNEL)))
    told = [m for m in slack.messages(CHANNEL) if m.text == AWAY]
    assert [m.is_ephemeral_for for m in told] == [ALICE]
    assert delivery.attempts[0].outcome == "acked"


async def test_while_redis_is_away_a_question_in_a_window_is_answered_with_a_sentence(
    slack: FakeSlack, bot: Bot, line: TcpProxy
) -> None:
    assert bot.adapter
    await acked(slack, await slack.use_shortcut(ALICE, "parley_ask_anywhere"))
    await slack.wait_for(lambda: slack.views)
    line.pause()

    values = {"question": {"value": {"type": "plain_text_input", "value": "How deep?"}}}
    await acked(slack, await slack.submit_view(slack.views[-1].id, ALICE, values))

    await slack.wait_for(lambda: any(m.text == AWAY for m in slack.messages(f"D{ALICE}")))


async def test_while_redis_is_away_a_button_is_answered_with_a_sentence(
    slack: FakeSlack, bot: Bot, store: AsyncStore, line: TcpProxy
) -> None:
    job = make_job(Kind.CHAT, Origin(Platform.SLACK, slack.team_id, CHANNEL, "", "1.1", ALICE), "x")
    ts = await bot.surface.post(job, 0, Piece("Hello", controls=AnswerButtons.RUNNING))
    assert store
    line.pause()

    await acked(slack, await slack.press_button(CHANNEL, ts, ALICE, "parley:stop"))

    def told() -> bool:
        said = [m for m in slack.messages(CHANNEL) if m.is_ephemeral_for == ALICE]
        return any(message.text == AWAY for message in said)

    await slack.wait_for(told)


async def test_a_slow_slack_delays_the_job_and_not_the_acknowledgement(
    slack: FakeSlack, bot: Bot, store: AsyncStore
) -> None:
    assert bot.adapter
    slack.delay("conversations.info", 4.0)

    delivery = await acked(slack, await slack.slash(CHANNEL, ALICE, "/parley", "complete Once"))
    assert delivery.response is None
    (job,) = await wait_for_jobs(store, 1)

    assert job.kind is Kind.COMPLETE
    assert {message.text for message in slack.messages(CHANNEL)} <= {"…"}


async def test_what_is_refused_late_is_told_by_the_commands_address(
    slack: FakeSlack, bot: Bot, store: AsyncStore
) -> None:
    assert bot.adapter
    slack.delay("conversations.members", 4.0)

    await acked(slack, await slack.slash(CHANNEL, EVE, "/parley", "sentiment"))
    told = await slack.wait_for_message(CHANNEL, containing="not in this channel")

    assert told.is_ephemeral_for == EVE
    assert await jobs(store) == []


async def test_who_asks_too_much_is_told_so_at_each_command(
    slack: FakeSlack, bot: Bot, store: AsyncStore
) -> None:
    assert bot.adapter
    answers = [
        (await acked(slack, await slack.slash(CHANNEL, ALICE, "/parley", "complete Once"))).response
        for _ in range(4)
    ]

    # two are taken; the third is a job that ends with a sentence; of the fourth nothing is kept
    assert answers[:2] == [{"response_type": "in_channel"}] * 2
    assert answers[3] == {"response_type": "ephemeral", "text": TOO_MUCH}
    assert len(await jobs(store)) == 3


async def test_a_menu_used_on_a_message_that_cannot_be_read_works_on_what_came_along(
    slack: FakeSlack, bot: Bot, store: AsyncStore
) -> None:
    assert bot.adapter
    slack.add_channel("C2", "closed", members=[ALICE, BOB], is_private=True)
    said = await slack.say_unheard("C2", BOB, "Good morning.")

    used = await slack.use_message_shortcut("C2", said.ts, ALICE, "parley_translate")
    await acked(slack, used)

    (job,) = await jobs(store)
    assert (job.kind, job.text) == (Kind.TRANSLATE, "Good morning.")
    assert job.origin.audience is Audience.ASKER


# By HTTP


async def post_form(slack: FakeSlack, url: str, body: str, signature: str = "") -> tuple[int, str]:
    timestamp = str(int(time.time()))
    headers = {
        "Content-Type": "application/x-www-form-urlencoded",
        "X-Slack-Request-Timestamp": timestamp,
        "X-Slack-Signature": signature or sign(slack.signing_secret, timestamp, body.encode()),
    }
    async with (
        aiohttp.ClientSession() as session,
        session.post(url, data=body, headers=headers) as answer,
    ):
        return answer.status, await answer.text()


async def test_commands_and_menus_come_by_signed_http_and_once_if_they_come_twice(
    slack: FakeSlack, store: AsyncStore
) -> None:
    async with running(slack, store, by_socket=False) as bot:
        app = web.Application()
        app.router.add_post("/slack/events", bot.adapter.handle_http)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/slack/events"
        slack.events_url = url
        try:
            delivery = await acked(
                slack, await slack.slash(CHANNEL, ALICE, "/complete", "Once upon a time")
            )
            said = await slack.say_unheard(CHANNEL, BOB, "Good morning.")
            menu = await slack.use_message_shortcut(CHANNEL, said.ts, BOB, "parley_translate")
            await acked(slack, menu)
            await slack.react(CHANNEL, said.ts, BOB, "flag-fr")
            await wait_for_jobs(store, 3)
            fields = "&".join(
                f"{name}={value}" for name, value in delivery.payload.items() if name != "text"
            )
            again = await post_form(slack, url, f"{fields}&text=Once upon a time")
            forged = await post_form(slack, url, fields, signature="v0=00")
            broken = {
                (await post_form(slack, url, f"payload={quote(payload)}"))[0]
                for payload in ("{", "[]", "7", '{"type": 7}', '{"team": 7, "user": []}')
            }
        finally:
            await runner.cleanup()

    assert delivery.response == {"response_type": "in_channel"}
    assert again[0] == 200
    assert forged[0] == 401
    assert broken == {400}
    kinds = sorted(job.kind for job in await jobs(store))
    assert kinds == [Kind.COMPLETE, Kind.TRANSLATE, Kind.TRANSLATE]


# What a task works on


def origin(
    message: str = "", thread: str = "", user: str = ALICE, act: str = "command:1"
) -> Origin:
    return Origin(Platform.SLACK, "T0FAKE", CHANNEL, thread, message or "1.2.3", user, act)


async def texts(bot: Bot, asked: Origin, wanted: Wanted) -> list[str]:
    return [quoted.text for quoted in await bot.sight.history_reader.gather(asked, wanted)]


async def test_a_channels_messages_are_gathered_with_names_links_and_threads(
    slack: FakeSlack, bot: Bot, store: AsyncStore
) -> None:
    await store.client.sadd(keys.opted_out("slack:T0FAKE"), EVE)
    root = await slack.say(CHANNEL, BOB, f"Ask <@{ALICE}> &amp; me")
    await slack.say(CHANNEL, EVE, "I take no part")
    await slack.say_as_bot(CHANNEL, "B0OTHER", "I am a bot")
    reply = await slack.say(CHANNEL, ALICE, "In the thread", root.ts)
    await slack.say(CHANNEL, BOB, "Last")

    found = await bot.sight.history_reader.gather(origin(), LastHours(1))

    assert [(q.author, q.text) for q in found] == [
        ("bob", "Ask @alice & me"),
        ("alice", "In the thread"),
        ("bob", "Last"),
    ]
    permalink = f"https://fake.slack.com/archives/{CHANNEL}/p{reply.ts.replace('.', '')}"
    assert found[1].link == f"{permalink}?thread_ts={root.ts}&cid={CHANNEL}"
    assert found[1].written_at_s == float(reply.ts)


async def test_each_wish_gathers_what_it_says(slack: FakeSlack, bot: Bot) -> None:
    mine = await slack.say(CHANNEL, ALICE, "one")
    theirs = await slack.say(CHANNEL, BOB, "two")
    await slack.say(CHANNEL, BOB, "a reply", mine.ts)
    last = await slack.say(CHANNEL, BOB, "three")
    asking = await slack.say(CHANNEL, ALICE, "<@U0PARLEY> summarize this")
    in_thread = origin(asking.ts, thread=mine.ts, act="")
    at_top = origin(asking.ts, thread=asking.ts, act="")

    assert await texts(bot, at_top, SinceAsker()) == ["two", "a reply", "three"]
    # the thread began before that message
    assert await texts(bot, origin(theirs.ts), From(theirs.ts)) == [
        "two",
        "three",
        "summarize this",
    ]
    assert await texts(bot, in_thread, WholeThread()) == ["one", "a reply"]
    assert await texts(bot, in_thread, Meant()) == ["a reply"]
    assert await texts(bot, at_top, Meant()) == ["three"]
    assert await texts(bot, origin(last.ts, act="reaction:1"), Meant()) == ["three"]
    assert await texts(bot, origin(), Meant()) == ["summarize this"]
    assert await texts(bot, origin("1.000000", act="reaction:1"), Meant()) == []


@pytest.mark.parametrize(
    ("user", "wanted", "expected"),
    [(EVE, LastHours(1), NotAMemberError), (ALICE, WholeThread(), NoThreadError)],
)
async def test_what_is_not_gathered_says_why(
    slack: FakeSlack, bot: Bot, user: str, wanted: Wanted, expected: type[Exception]
) -> None:
    await slack.say(CHANNEL, BOB, "words")

    with pytest.raises(expected):
        await bot.sight.history_reader.gather(origin(user=user), wanted)


async def test_a_member_on_a_later_page_is_a_member(slack: FakeSlack, bot: Bot) -> None:
    many = [f"U{number:05d}" for number in range(1500)]
    slack.add_channel("C3", "large", members=[*many, slack.bot_user_id])

    assert await bot.sight.people.may_ask("C3", many[-1])
    assert not await bot.sight.people.may_ask("C3", EVE)
    # two for each: 1,501 members, 999 a page
    assert len(slack.calls("conversations.members")) == 4


async def test_a_person_is_asked_for_once(slack: FakeSlack, bot: Bot) -> None:
    names = [await bot.sight.people.name(BOB) for _ in range(3)]

    assert names == ["bob"] * 3
    assert len(slack.calls("users.info")) == 1
    assert await bot.sight.people.name("U0NOBODY") == "U0NOBODY"


# Answers


def answer_job(audience: Audience, ticket: str = "") -> Job:
    asked = Origin(
        Platform.SLACK, "T0FAKE", CHANNEL, "", "1.2.3", ALICE, "command:1", audience, ticket
    )
    return make_job(Kind.SUMMARIZE, asked, "", task=Summarize((), "this"))


PICTURE = Picture("mood.png", "iVBORw0KGgo=", "A line that rises")


async def test_a_picture_is_uploaded_once_and_waited_for(slack: FakeSlack, bot: Bot) -> None:
    job = answer_job(Audience.CHANNEL)
    slack.num_file_refusals = 2

    message = await bot.surface.post(job, 0, Piece("The mood", PICTURE))
    await bot.surface.edit(job, message, Piece("The mood again", PICTURE))

    (shown,) = slack.messages(CHANNEL)
    assert shown.text == "The mood again"
    assert [block["type"] for block in shown.blocks] == ["section", "image"]
    assert len(slack.files) == 1
    assert await bot.surface.find(job, 0, "The mood", None) == [message]


@pytest.mark.parametrize("method", ["files.getUploadURLExternal", "files.completeUploadExternal"])
async def test_a_picture_that_slack_refuses_leaves_its_text_and_a_sentence(
    slack: FakeSlack, bot: Bot, method: str
) -> None:
    slack.fail_next(method, error="restricted_action")

    await bot.surface.post(answer_job(Audience.CHANNEL), 0, Piece("The mood", PICTURE))

    (shown,) = slack.messages(CHANNEL)
    assert shown.blocks == []
    assert "A line that rises" in shown.text
    assert "files:write" in shown.text


async def test_what_one_person_sees_is_posted_once_and_neither_edited_nor_found(
    slack: FakeSlack, bot: Bot
) -> None:
    job = answer_job(Audience.ASKER)

    message = await bot.surface.post(job, 0, Piece("For you"))
    await bot.surface.edit(job, message, Piece("For everybody"))
    await bot.surface.delete(job, message)

    (shown,) = slack.messages(CHANNEL)
    assert (shown.text, shown.is_ephemeral_for, shown.deleted) == ("For you", ALICE, False)
    assert not bot.surface.can_edit(job)
    assert await bot.surface.find(job, 0, "For you", None) == ()


async def test_without_an_address_a_place_that_we_are_not_in_takes_nothing(
    slack: FakeSlack, bot: Bot
) -> None:
    slack.fail_next("chat.postEphemeral", error="user_not_in_channel")

    with pytest.raises(UndeliverableError):
        await bot.surface.post(answer_job(Audience.ASKER), 0, Piece("For you"))


async def test_an_address_that_is_used_up_takes_nothing(slack: FakeSlack, bot: Bot) -> None:
    slack.fail_next("chat.postEphemeral", error="not_in_channel")
    job = answer_job(Audience.ASKER, f"{slack.base_url}response/unknown")

    with pytest.raises(UndeliverableError):
        await bot.surface.post(job, 0, Piece("For you"))


async def test_a_reaction_that_is_there_is_as_good_as_put_there(slack: FakeSlack, bot: Bot) -> None:
    said = await slack.say(CHANNEL, BOB, "Well done")
    asked = Origin(Platform.SLACK, "T0FAKE", CHANNEL, "", said.ts, BOB, "tag")
    job = make_job(Kind.TAG, asked, "Well done")

    await bot.surface.react(job, "👍")
    await bot.surface.react(job, "👍")

    assert said.reactions == {"thumbsup": [slack.bot_user_id]}
