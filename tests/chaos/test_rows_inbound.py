"""What can go wrong on the way in: rows 8, 9 and 26 to 32 of the table in docs/reliability.md."""

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bots.discord.session_limits import BURST, TAKE
from shared.jobs import Platform
from shared.ledger import keys
from tests.chaos.inbound import (
    Site,
    bots_at,
    make_slack,
    site_at,
    wait_until,
)
from tests.fakes.discord_model import Message
from tests.fakes.discord_server import FakeDiscord
from tests.fakes.discord_settings import Settings as DiscordSettings
from tests.fakes.slack_server import FakeSlack
from tests.patience import PATIENCE_S
from tests.running import RunningModule

NUM_PEOPLE = 25
NUM_MESSAGES = 100
BRIEF = {"PARLEY_MAX_NEW_TOKENS": "4"}
LENGTH_LIMIT = "length limit"
"""The last words of an answer that is whole: the model stops nowhere else."""


@pytest.fixture(scope="module")
def answering(
    tmp_path_factory: pytest.TempPathFactory, worker_settings: dict[str, str]
) -> Iterator[Site]:
    """A site with a worker whose answers are short."""
    with site_at(tmp_path_factory.mktemp("answering")) as site:
        settings = {**worker_settings, **BRIEF, "PARLEY_REDIS_URL": site.server.url}
        with RunningModule("worker", settings=settings) as worker:
            worker.wait_for_event("worker_ready")
            yield site


@pytest.fixture
def site(answering: Site) -> Site:
    """The same, empty."""
    answering.clear()
    return answering


@pytest.fixture
def silent(tmp_path: Path) -> Iterator[Site]:
    """A site without a worker: what is accepted stays queued."""
    with site_at(tmp_path) as made:
        yield made


@dataclass(slots=True)
class Discord:
    """A Discord with people in channels, and direct messages."""

    server: FakeDiscord
    people: list[int]
    channels: list[int]

    @property
    def settings(self) -> dict[str, str]:
        return {
            "PARLEY_DISCORD_API_URL": self.server.api_url,
            "PARLEY_DISCORD_GATEWAY_URL": self.server.gateway_url,
            "DISCORD_TOKEN": self.server.token,
        }

    async def ask(self, number: int = 0, text: str = "hello") -> Message:
        """Person and channel by number: with a mention."""
        channel = self.channels[number % len(self.channels)]
        person = self.people[number % len(self.people)]
        return await self.server.say(channel, person, f"<@{self.server.bot_user_id}> {text}")

    def answers(self) -> Counter[str]:
        """Message -> how many whole answers reply to it."""
        return Counter(
            str(reply.reference)
            for channel in self.channels
            for reply in self.server.replies(channel)
            if LENGTH_LIMIT in reply.content
        )

    async def hears(self, bots: RunningModule) -> None:
        """Wait until the bots hear; discord.py is ready, and they look back, two seconds later."""
        await asyncio.to_thread(bots.wait_for_event, "commands_synced")
        await self.server.wait_until_connected()

    async def is_ready(self, bots: RunningModule) -> None:
        """Wait until the bots hear, and have looked back if they do."""
        await asyncio.to_thread(bots.wait_for_event, "discord_ready")

    def hearing_bots(
        self, site: Site, **settings: str
    ) -> AbstractAsyncContextManager[RunningModule]:
        return bots_at({**site.settings, **self.settings, **settings}, self.hears)

    def bots(self, site: Site, **settings: str) -> AbstractAsyncContextManager[RunningModule]:
        return bots_at({**site.settings, **self.settings, **settings}, self.is_ready)


@pytest.fixture
async def discord() -> AsyncIterator[Discord]:
    async with FakeDiscord(settings=DiscordSettings(rate_limit=None)) as server:
        people = [server.add_user(f"person{number}").id for number in range(NUM_PEOPLE)]
        guild = server.add_guild("team", members=people)
        channels = [server.add_channel(guild, f"channel{number}").id for number in range(5)]
        yield Discord(server, people, channels)


@dataclass(slots=True)
class Slack:
    """A Slack with people in channels."""

    server: FakeSlack
    people: list[str]
    channels: list[str]

    @property
    def settings(self) -> dict[str, str]:
        return {
            "PARLEY_SLACK_API_URL": self.server.api_url,
            "SLACK_BOT_TOKEN": self.server.bot_token,
            "SLACK_APP_TOKEN": self.server.app_token,
        }

    async def ask(self, number: int = 0, text: str = "hello", thread: str | None = None) -> str:
        """Person and channel by number: with a mention; the message's timestamp."""
        said = await self.server.say(*self._words(number, text), thread_ts=thread)
        return said.ts

    async def ask_unheard(self, number: int = 0, thread: str | None = None) -> str:
        """The same, and the app is told nothing of it."""
        said = await self.server.say_unheard(*self._words(number, "hello"), thread_ts=thread)
        return said.ts

    def _words(self, number: int, text: str) -> tuple[str, str, str]:
        channel = self.channels[number % len(self.channels)]
        person = self.people[number % len(self.people)]
        return channel, person, f"<@{self.server.bot_user_id}> {text}"

    def answers(self) -> Counter[str]:
        """Thread -> how many whole answers stand in it."""
        return Counter(
            message.thread_ts or ""
            for channel in self.channels
            for message in self.server.messages(channel)
            if message.user == self.server.bot_user_id
            and not message.deleted
            and LENGTH_LIMIT in message.text
        )

    async def is_ready(self, bots: RunningModule) -> None:
        await asyncio.to_thread(bots.wait_for_event, "slack_ready")
        await self.server.wait_for_connections(2)

    def bots(self, site: Site, **settings: str) -> AbstractAsyncContextManager[RunningModule]:
        return bots_at({**site.settings, **self.settings, **settings}, self.is_ready)

    def bots_by_http(self, site: Site) -> AbstractAsyncContextManager[RunningModule]:
        settings = {**site.settings, **self.settings}
        del settings["SLACK_APP_TOKEN"]
        settings["SLACK_SIGNING_SECRET"] = self.server.signing_secret
        self.server.events_url = f"http://127.0.0.1:{settings['PARLEY_HTTP_PORT']}/slack/events"

        async def is_ready(bots: RunningModule) -> None:
            await asyncio.to_thread(bots.wait_for_event, "slack_ready")

        return bots_at(settings, is_ready)


@pytest.fixture
async def slack() -> AsyncIterator[Slack]:
    async with make_slack() as server:
        people = [f"U{number:03}" for number in range(NUM_PEOPLE)]
        channels = [f"C{number:03}" for number in range(5)]
        for person in people:
            server.add_user(person, person.lower())
        for channel in channels:
            server.add_channel(channel, channel.lower(), members=[*people, server.bot_user_id])
        yield Slack(server, people, channels)


async def check_num_accepted(bots: RunningModule, count: int) -> None:
    """So many messages were accepted, and no more; the log tells it a little after Redis."""
    await asyncio.to_thread(bots.wait_for_event, "job_accepted", count)
    assert len(bots.events("job_accepted")) == count


async def wait_answered(answers: Callable[[], Counter[str]], messages: list[str]) -> None:
    """Wait until each is answered; then none is answered twice, and nothing else at all."""
    wanted = set(messages)
    await wait_until(lambda: wanted <= set(answers()), f"answers to {len(wanted)} messages")
    assert answers() == dict.fromkeys(wanted, 1)


# Row 8: Redis is down while messages arrive.


async def test_row_08_discord_messages_of_a_redis_outage_are_answered_once(
    site: Site, discord: Discord
) -> None:
    async with discord.hearing_bots(site) as bots:
        site.kill_redis()
        asked = [str((await discord.ask(number)).id) for number in range(NUM_MESSAGES)]
        await asyncio.to_thread(bots.wait_for_event, "message_spooled")
        site.start_redis()

        await wait_answered(discord.answers, asked)

        await check_num_accepted(bots, NUM_MESSAGES)


async def test_row_08_discord_messages_of_an_outage_outlive_the_process_that_heard_them(
    site: Site, discord: Discord
) -> None:
    folder = site.folder / "data" / "spool"

    def num_lines() -> int:
        return sum(file.read_bytes().count(b"\n") for file in folder.glob("*.jsonl"))

    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(discord.hearing_bots(site, PARLEY_LOOKBACK_S="0"))
        site.kill_redis()
        asked = [str((await discord.ask(number)).id) for number in range(20)]
        await wait_until(lambda: num_lines() == len(asked), "lines in the spool")
        await asyncio.to_thread(first.kill)
        site.start_redis()

    async with discord.hearing_bots(site, PARLEY_LOOKBACK_S="0"):
        await wait_answered(discord.answers, asked)
        await wait_until(lambda: num_lines() == 0, "empty spool")


async def test_row_08_slack_messages_of_a_redis_outage_are_answered_once(
    site: Site, slack: Slack
) -> None:
    async with slack.bots(site) as bots:
        site.kill_redis()
        asked = [await slack.ask(number) for number in range(NUM_MESSAGES)]
        await asyncio.to_thread(bots.wait_for_event, "event_not_accepted", NUM_MESSAGES)
        assert all(d.state == "waiting" for d in slack.server.deliveries)
        site.start_redis()

        await wait_answered(slack.answers, asked)

        await check_num_accepted(bots, NUM_MESSAGES)


# Row 9: Redis is there and does not answer.


async def test_row_09_discord_frozen_redis_does_not_block_the_bots(
    silent: Site, discord: Discord
) -> None:
    async with discord.hearing_bots(silent) as bots:
        await discord.ask()
        await asyncio.to_thread(bots.wait_for_event, "job_accepted")
        silent.server.child.freeze()
        asked = [str((await discord.ask(number)).id) for number in range(20)]
        await asyncio.to_thread(bots.wait_for_event, "message_spooled")
        silent.server.child.thaw()

        await silent.wait_accepted(*asked)

        assert bots.events("event_loop_blocked") == []


async def test_row_09_slack_frozen_redis_does_not_block_the_bots(
    silent: Site, slack: Slack
) -> None:
    async with slack.bots(silent) as bots:
        await slack.ask()
        await asyncio.to_thread(bots.wait_for_event, "job_accepted")
        silent.server.child.freeze()
        asked = [await slack.ask(number) for number in range(20)]
        # Given up before Slack loses its patience, which is after 3 s: it sends all of them again.
        await asyncio.to_thread(bots.wait_for_event, "event_not_accepted", 20)
        silent.server.child.thaw()

        await silent.wait_accepted(*asked)

        assert bots.events("event_loop_blocked") == []


# Row 26: the same message comes more than once.


async def test_row_26_slack_one_message_in_many_events_is_one_job(
    silent: Site, slack: Slack
) -> None:
    async with slack.bots(silent) as bots:
        asked = await slack.ask()
        event: dict[str, object] = {**slack.server.deliveries_of(asked)[0].event}
        for kind in ("message", "app_mention") * 3:
            await slack.server.emit({**event, "type": kind})
        await slack.server.wait_for(
            lambda: all(d.state == "acked" for d in slack.server.deliveries), PATIENCE_S
        )

        assert set(silent.jobs()) == {asked}
        assert len(slack.server.deliveries_of(asked)) == 8
        await check_num_accepted(bots, 1)


async def test_row_26_slack_replayed_signed_request_is_one_job(silent: Site, slack: Slack) -> None:
    async with slack.bots_by_http(silent) as bots:
        said = await slack.server.say_unheard("C000", "U001", "<@U0PARLEY> hello")
        event = {"type": "app_mention", "channel": "C000", "user": "U001", "ts": said.ts}
        body = json.dumps(slack.server.envelope({**event, "text": said.text}))
        signed_at = str(int(time.time()))

        answers = [await slack.server.send_raw(body, timestamp=signed_at) for _ in range(3)]

        assert [answer.status for answer in answers] == [200, 200, 200]
        await check_num_accepted(bots, 1)
        assert set(silent.jobs()) == {said.ts}


# Row 27: requests that Slack never made.

CANARY = "CANARY-TEXT"
GOOD = {"type": "event_callback", "team_id": "T1"}
MESSAGE = {"type": "message", "channel": "C1", "user": "U1", "ts": "1.000001", "text": CANARY}


def unsigned_requests() -> Iterator[dict[str, Any]]:
    body = json.dumps({**GOOD, "event": MESSAGE})
    for timestamp in ("", "soon", "-1", "1e9", "0x10", "9" * 5000, "1000000000", "\u0661" * 10):
        yield {"body": body, "timestamp": timestamp}
    for signature in ("", "v0=", "v0=00", "v1=" + "0" * 64, "v0=" + "g" * 64, "v0=\u00e9" * 9):
        yield {"body": body, "signature": signature}
    yield {"body": body, "without": ["X-Slack-Signature"]}
    yield {"body": body, "without": ["X-Slack-Request-Timestamp"]}
    yield {"body": body, "without": ["X-Slack-Signature", "X-Slack-Request-Timestamp"]}


def odd_bodies() -> Iterator[bytes]:
    random_ = random.Random(27)
    yield from (b"", b"null", b"[]", b"3", b'"text"', b"{", b"{}" * 2, b"\xff\xfe{}", b"[" * 50_000)
    yield b'{"event": ' + b"[" * 2000 + b"]" * 2000 + b"}"
    yield from (b"payload=%7B", b"payload=3", b"ssl_check=1&token=x", b"command=%2Fx&text=y")
    odd_fields: tuple[object, ...] = ({**MESSAGE, "text": [CANARY]}, {**MESSAGE, "user": {}})
    for event in (None, [], "x", 3, *odd_fields):
        yield json.dumps({**GOOD, "event": event}).encode()
    for name in ("type", "team_id", "event_id"):
        yield json.dumps({**GOOD, "event": MESSAGE, name: [CANARY]}).encode()
    yield json.dumps({**GOOD, "event": MESSAGE, "authorizations": 5}).encode()
    yield json.dumps({"type": "url_verification", "challenge": {"x": CANARY}}).encode()
    yield from (random_.randbytes(random_.randrange(200)) for _ in range(30))


async def test_row_27_slack_requests_that_slack_never_made_are_refused(
    silent: Site, slack: Slack
) -> None:
    async with slack.bots_by_http(silent) as bots:
        for request in unsigned_requests():
            answer = await slack.server.send_raw(**request)
            assert answer.status == 401, request
            assert CANARY not in answer.body
        for body in odd_bodies():
            answer = await slack.server.send_raw(body)
            assert answer.status in {200, 400, 401}, (answer.status, body[:80])
            assert CANARY not in answer.body
        huge = await slack.server.send_raw(b" " * 1_040_000)  # aiohttp warns from 2 ** 20 on
        assert huge.status == 413
        asked = await slack.ask(text=CANARY)
        await silent.wait_accepted(asked)

    assert CANARY not in bots.output
    assert set(silent.jobs()) == {asked}


# Row 28: the ledger refuses in the listener.


async def test_row_28_slack_is_not_told_that_an_event_arrived_which_the_ledger_has_not(
    silent: Site, slack: Slack
) -> None:
    async with slack.bots(silent) as bots:
        silent.kill_redis()
        asked = await slack.ask()
        await asyncio.to_thread(bots.wait_for_event, "event_not_accepted", 2)

        assert [d.state for d in slack.server.deliveries] == ["waiting", "waiting"]
        assert all(connection.num_acked == 0 for connection in slack.server.connections)

        silent.start_redis()
        await silent.wait_accepted(asked)
        await slack.server.wait_for(
            lambda: all(d.state == "acked" for d in slack.server.deliveries), PATIENCE_S
        )


async def test_row_28_slack_gets_no_200_for_an_event_which_the_ledger_has_not(
    silent: Site, slack: Slack
) -> None:
    async with slack.bots_by_http(silent):
        silent.kill_redis()
        body = slack.server.envelope({**MESSAGE, "text": "<@U0PARLEY> hello"})

        while_away = await slack.server.send_raw(body)
        silent.start_redis()
        afterwards = await slack.server.send_raw(body)

        assert (while_away.status, afterwards.status) == (503, 200)
        assert len(silent.jobs()) == 1


# Row 29: Socket Mode's connections end.


async def test_row_29_slack_refreshed_and_broken_sockets_lose_and_double_nothing(
    silent: Site, slack: Slack
) -> None:
    random_ = random.Random(29)
    server = slack.server
    async with slack.bots(silent) as bots:
        asked: list[str] = []
        for number in range(60):
            asked.append(await slack.ask(number))
            if random_.random() < 0.2:
                choice = random_.choice(["refresh_requested", "warning", "drop"])
                if choice == "drop":
                    server.drop_sockets()
                else:
                    await server.disconnect_sockets(choice, close_after_s=random_.random())
            await asyncio.sleep(random_.random() / 10)

        jobs = await silent.wait_accepted(*asked)

        assert set(jobs) == set(asked)
        await check_num_accepted(bots, len(asked))
        await server.wait_for_connections(2)


async def test_row_29_slack_that_refuses_sockets_for_a_while_is_connected_again(
    silent: Site, slack: Slack
) -> None:
    server = slack.server
    async with slack.bots(silent) as bots:
        before = await slack.ask()
        await silent.wait_accepted(before)
        server.refuse_sockets()
        server.fail_next("apps.connections.open", status=503, times=2)
        server.drop_sockets()
        unheard = await slack.ask_unheard(1)
        await server.wait_for(lambda: server.num_connections_refused >= 2)
        server.refuse_sockets(is_refusing=False)

        jobs = await silent.wait_accepted(unheard)

        assert set(jobs) == {before, unheard}
        assert bots.events("sockets_were_down")


async def test_row_29_slack_that_refuses_the_app_token_ends_the_start_in_a_sentence(
    silent: Site, slack: Slack
) -> None:
    settings = {**silent.settings, **slack.settings, "SLACK_APP_TOKEN": "xapp-wrong"}
    with RunningModule("bots", settings=settings) as bots:
        await asyncio.to_thread(bots.process.wait, PATIENCE_S)

    assert bots.process.returncode == 77
    assert "SLACK_APP_TOKEN" in bots.output
    assert "Traceback" not in bots.output


# Row 30: sessions end, and processes.


async def test_row_30_discord_what_a_dropped_gateway_missed_is_replayed(
    silent: Site, discord: Discord
) -> None:
    async with discord.bots(silent) as bots:
        await discord.server.drop_gateways()
        asked = [str((await discord.ask(number)).id) for number in range(5)]

        await silent.wait_accepted(*asked)
        await asyncio.to_thread(bots.wait_for_event, "job_accepted", 5)  # said after it is so

        assert discord.server.gateway_status()["resumes"] == 1
        assert bots.events("looked_back") == []
        await check_num_accepted(bots, 5)


async def test_row_30_discord_what_a_lost_session_missed_is_looked_for(
    silent: Site, discord: Discord
) -> None:
    direct = discord.server.add_dm(discord.people[0])
    async with discord.bots(silent) as bots:
        first = await discord.ask()
        spoken = await discord.server.say(direct, discord.people[0], "hello")
        heard = [str(first.id), str(spoken.id)]
        await silent.wait_accepted(*heard)
        await wait_for_marks(silent, Platform.DISCORD, 2)
        await discord.server.invalidate_sessions()
        missed = [str((await discord.ask(number)).id) for number in range(1, 6)]
        also_direct = await discord.server.say(direct, discord.people[0], "still there?")
        await discord.server.say(discord.channels[0], discord.people[3], "not for the bot")

        jobs = await silent.wait_accepted(*missed, str(also_direct.id))

        assert set(jobs) == {*heard, *missed, str(also_direct.id)}
        assert {job.late_s for job in jobs.values()} == {0.0}, "nobody waited for a minute"
        assert discord.server.gateway_status()["identifies"] == 2
        await asyncio.to_thread(bots.wait_for_event, "looked_back")
        await check_num_accepted(bots, len(jobs))


@pytest.mark.parametrize("is_killed", [False, True], ids=["stopped", "killed"])
async def test_row_30_discord_what_was_said_between_two_processes_is_looked_for(
    silent: Site, discord: Discord, *, is_killed: bool
) -> None:
    server = discord.server
    thread = server.add_thread(discord.channels[1], "a thread")
    async with discord.bots(silent) as bots:
        in_thread = await server.say(
            thread, discord.people[1], f"<@{server.bot_user_id}> join us here"
        )
        await silent.wait_accepted(str(in_thread.id))
        await wait_for_marks(silent, Platform.DISCORD, 1)
        if is_killed:
            await asyncio.to_thread(bots.kill)
    missed = [str((await discord.ask(number)).id) for number in range(5)]
    follow_up = await server.say(thread, discord.people[2], "and now?")
    await server.say(discord.channels[0], discord.people[3], "not for the bot")
    server.deny_channel(discord.channels[4])

    async with discord.bots(silent):
        # The channel that shows us nothing any more is nobody else's trouble.
        shown = [message for number, message in enumerate(missed) if number != 4]
        jobs = await silent.wait_accepted(*shown, str(follow_up.id))

    assert set(jobs) == {str(in_thread.id), *shown, str(follow_up.id)}


async def test_row_30_discord_a_first_start_answers_nothing_old(
    silent: Site, discord: Discord
) -> None:
    old = await discord.ask()
    async with discord.bots(silent):
        new = await discord.ask(1)
        jobs = await silent.wait_accepted(str(new.id))

    assert str(old.id) not in jobs


async def test_row_30_slack_what_was_said_between_two_processes_is_looked_for(
    silent: Site, slack: Slack
) -> None:
    server = slack.server
    server.add_channel("D001", "direct", is_im=True, members=["U001", server.bot_user_id])
    async with slack.bots(silent):
        root = await slack.ask()
        await silent.wait_accepted(root)
        await wait_for_marks(silent, Platform.SLACK, 1)
    new_thread = await slack.ask_unheard(1)
    follow_up = (await server.say_unheard("C000", "U002", "and now?", thread_ts=root)).ts
    direct = (await server.say_unheard("D001", "U001", "hello")).ts
    theirs = (await server.say_unheard("C002", "U003", "between us")).ts
    in_theirs = await slack.ask_unheard(2, thread=theirs)
    await server.say_unheard("C000", server.bot_user_id, "what the bot itself said")

    async with slack.bots(silent):
        missed = [new_thread, follow_up, direct, in_theirs]
        jobs = await silent.wait_accepted(*missed)

    assert set(jobs) == {root, *missed}
    assert jobs[follow_up].origin.conversation == jobs[root].origin.conversation
    assert jobs[direct].origin.thread == ""


async def test_row_30_slack_old_messages_are_labelled_and_older_ones_left_alone(
    silent: Site, slack: Slack
) -> None:
    now_s = time.time()
    slack.server.ts_clock = lambda: now_s  # as if no time passed
    first_s = slack.server.first_ts_s
    ancient, old = f"{first_s - 4000}.000100", f"{first_s - 300}.000100"
    for ts in (ancient, old):
        message = await slack.server.say_unheard("C000", "U001", "<@U0PARLEY> hello")
        message.ts = ts
    seen: dict[Any, Any] = {
        "*": str(round((now_s - 5000) * 1000)),
        "C000": f"{first_s - 5000}.000100",
    }
    silent.client.hset(keys.seen(Platform.SLACK), mapping=seen)

    async with slack.bots(silent):
        jobs = await silent.wait_accepted(old)

    assert set(jobs) == {old}
    assert 290 < jobs[old].late_s < 400


async def test_row_30_slack_goes_on_where_it_may_not_look(silent: Site, slack: Slack) -> None:
    server = slack.server
    async with slack.bots(silent):
        root = await slack.ask()
        await silent.wait_accepted(root)
        await wait_for_marks(silent, Platform.SLACK, 1)
    missed = await slack.ask_unheard()
    server.fail_next("users.conversations", error="missing_scope", times=10)
    server.fail_next("conversations.replies", error="missing_scope", times=10)

    async with slack.bots(silent) as bots:
        jobs = await silent.wait_accepted(missed)
        heard = await slack.ask(1)
        await silent.wait_accepted(heard)

    assert set(jobs) >= {root, missed}
    assert len(bots.events("conversations_not_listed")) == 1


async def wait_for_marks(site: Site, platform: str, num_channels: int) -> None:
    """Wait until it is written down what has been seen in so many channels."""
    await wait_until(
        lambda: int(site.client.hlen(keys.seen(platform))) > num_channels,
        "marks",
    )


# Row 31: a crash loop.


async def test_row_31_discord_bots_wait_before_they_use_up_the_days_sessions(
    silent: Site, discord: Discord
) -> None:
    bucket = keys.session_starts(str(discord.server.bot_user_id))
    for _ in range(BURST - 1):
        assert silent.client.eval(TAKE, 0, bucket, BURST, 90_000, "") == 0
    async with discord.bots(silent) as bots:
        await asyncio.to_thread(bots.kill)

    async def waits(bots: RunningModule) -> None:
        await asyncio.to_thread(bots.wait_for_event, "session_start_waits")

    async with bots_at({**silent.settings, **discord.settings}, waits) as bots:
        assert 0 < bots.events("session_start_waits")[0]["wait_s"] <= 90
        assert discord.server.gateway_status()["identifies"] == 1
        silent.client.delete(bucket)  # as time would do

        await discord.is_ready(bots)

    assert discord.server.gateway_status()["identifies"] == 2


async def test_row_31_discord_bots_leave_the_last_sessions_of_a_day_alone(
    silent: Site, discord: Discord
) -> None:
    discord.server.settings.identify_limit = 10

    async def waits(bots: RunningModule) -> None:
        await asyncio.to_thread(bots.wait_for_event, "session_starts_used_up")

    async with bots_at({**silent.settings, **discord.settings}, waits):
        assert discord.server.gateway_status()["identifies"] == 0


async def test_row_31_discord_a_revoked_token_ends_the_process_for_good(
    silent: Site, discord: Discord
) -> None:
    async with discord.bots(silent) as bots:
        await discord.server.revoke_token()
        await asyncio.to_thread(bots.process.wait, PATIENCE_S)

    assert bots.process.returncode == 77
    assert "DISCORD_TOKEN" in bots.output


# Row 32: the question is deleted or edited meanwhile.


async def test_row_32_discord_deleted_question_is_not_answered_and_an_edited_one_once(
    silent: Site, discord: Discord
) -> None:
    async with discord.hearing_bots(silent) as bots:
        deleted, edited = await discord.ask(0), await discord.ask(1)
        await silent.wait_accepted(str(deleted.id), str(edited.id))
        await discord.server.edit_message(edited, f"<@{discord.server.bot_user_id}> instead")
        await discord.server.delete_message(deleted)
        await asyncio.to_thread(bots.wait_for_event, "job_withdrawn")

        assert set(silent.jobs()) == {str(edited.id)}
        await check_num_accepted(bots, 2)


async def test_row_32_slack_deleted_question_is_not_answered_and_an_edited_one_once(
    silent: Site, slack: Slack
) -> None:
    async with slack.bots(silent) as bots:
        deleted, edited = await slack.ask(0), await slack.ask(1)
        await silent.wait_accepted(deleted, edited)
        begun = await slack.server.wait_for_message("C000", user=slack.server.bot_user_id)
        await slack.server.edit_message("C001", edited, "<@U0PARLEY> instead")
        await slack.server.delete_message("C000", deleted)
        await asyncio.to_thread(bots.wait_for_event, "job_withdrawn")
        await slack.server.wait_for(lambda: begun.deleted)

        assert set(silent.jobs()) == {edited}
        await check_num_accepted(bots, 2)


async def test_row_32_discord_question_that_is_deleted_in_an_outage_is_not_answered(
    site: Site, discord: Discord
) -> None:
    async with discord.hearing_bots(site) as bots:
        site.kill_redis()
        deleted = await discord.ask(0)
        await asyncio.to_thread(bots.wait_for_event, "message_spooled")
        kept = await discord.ask(1)
        await discord.server.delete_message(deleted)
        site.start_redis()

        await wait_answered(discord.answers, [str(kept.id)])
        await asyncio.to_thread(bots.wait_for_event, "spool_handed_on")

        assert str(deleted.id) not in site.jobs()
