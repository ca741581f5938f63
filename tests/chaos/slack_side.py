"""The Slack half of a run: where people speak, what stands below, and what Slack does wrong."""

import random
import time
from collections.abc import Iterator

from shared.jobs import Origin, Platform, job_id
from tests.chaos.checker import Post
from tests.chaos.conversations import Question, Spot
from tests.fakes.slack_server import FakeSlack
from tests.fakes.slack_store import Message

NUM_CHANNELS = 12
ACK_WAIT_S = 3.0
"""How long Slack waits for an acknowledgement: docs.slack.dev/apis/events-api#retries."""
METHODS = (
    "chat.postMessage",
    "chat.update",
    "chat.startStream",
    "chat.appendStream",
    "chat.stopStream",
)


def make_slack() -> FakeSlack:
    """A Slack whose timestamps are those of the wall clock."""
    return FakeSlack(first_ts_s=int(time.time()), ts_clock=time.time, retry_after_s=ACK_WAIT_S)


class SlackSide:
    """Slack as people and the nemesis use it."""

    name = "slack"

    def __init__(self, slack: FakeSlack, num_people: int) -> None:
        self._slack = slack
        self._people = [f"U{number:04d}" for number in range(num_people)]
        self._channels = [f"C{number:04d}" for number in range(NUM_CHANNELS)]
        self._directs = {person: f"D{person[1:]}" for person in self._people}
        self._by_job: dict[str, Question] = {}
        self._latest: dict[tuple[str, str], Question] = {}
        """Channel and thread -> the question asked there last."""
        self._num_seen: dict[str, int] = {}
        self._posted: dict[str, list[Message]] = {}
        """Marker -> the bot's messages that reply to it."""
        self._strays: list[Message] = []
        self._add_places()

    def _add_places(self) -> None:
        for person in self._people:
            self._slack.add_user(person, person.lower())
        everybody = [*self._people, self._slack.bot_user_id]
        for channel in self._channels:
            self._slack.add_channel(channel, channel.lower(), members=everybody)
        for person, channel in self._directs.items():
            members = [person, self._slack.bot_user_id]
            self._slack.add_channel(channel, person.lower(), is_im=True, members=members)

    def new_spot(self, random_: random.Random) -> Spot:
        """A place in a channel where a conversation may begin."""
        return Spot(self.name, random_.choice(self._channels), random_.choice(self._people))

    def direct_spots(self) -> list[Spot]:
        """Everybody's direct messages."""
        return [Spot(self.name, c, person, is_direct=True) for person, c in self._directs.items()]

    async def ask(self, question: Question, *, is_mention: bool) -> None:
        """Say it."""
        spot = question.spot
        mention = f"<@{self._slack.bot_user_id}> "
        is_called = not spot.is_direct and (is_mention or not spot.root)
        text = f"{mention if is_called else ''}{question.text}"
        said = await self._slack.say(spot.channel, spot.person, text, thread_ts=spot.root or None)
        if not spot.is_direct:
            spot.root = spot.root or said.ts
        question.message = said.ts
        question.job_id = job_id(
            Origin(
                platform=Platform.SLACK,
                team=self._slack.team_id,
                channel=spot.channel,
                thread=spot.root,
                message=said.ts,
                user=spot.person,
            )
        )
        self._by_job[question.job_id] = question
        # An answer in a direct message stands in the thread of its question.
        self._latest[spot.channel, said.ts if spot.is_direct else spot.root] = question

    def look(self) -> None:
        """Find the bot's new messages, and the question that each replies to."""
        for message in self._new_messages():
            question = self._question_of(message)
            if question is None:
                self._strays.append(message)
                continue
            self._posted.setdefault(question.marker, []).append(message)

    def posts(self, question: Question) -> list[Post]:
        """What replies to a question, as it stands now."""
        return [_post(message) for message in self._posted.get(question.marker, ())]

    def strays(self) -> list[Post]:
        """The bot's messages that reply to nothing that was asked."""
        return [_post(message) for message in self._strays]

    def _new_messages(self) -> Iterator[Message]:
        for channel in (*self._channels, *self._directs.values()):
            messages = self._slack.messages(channel)
            for message in messages[self._num_seen.get(channel, 0) :]:
                if message.user == self._slack.bot_user_id:
                    yield message
            self._num_seen[channel] = len(messages)

    def _question_of(self, message: Message) -> Question | None:
        """By the job's id in its metadata; without one, the thread's latest question."""
        payload = (message.metadata or {}).get("event_payload", {})
        latest = self._latest.get((message.channel, message.thread_ts or ""))
        if "job_id" not in payload:
            return latest
        question = self._by_job.get(payload["job_id"])
        if question is None or latest is None or question.spot is not latest.spot:
            return None  # another conversation than the one it was asked in
        return question

    def forget_requests(self) -> None:
        """Free the memory of what nobody will look at."""
        self._slack.requests.clear()
        done = [d for d in self._slack.deliveries if d.state != "waiting"]
        for delivery in done[: len(self._slack.deliveries) // 2]:
            self._slack.deliveries.remove(delivery)

    def drop_sockets(self) -> None:
        """Break every connection without a word."""
        self._slack.drop_sockets()

    async def refresh_sockets(self) -> None:
        """Ask every connection to reconnect, as Slack does now and then."""
        await self._slack.disconnect_sockets()

    def break_call(self, choice: int) -> None:
        """Let the next call of a method go wrong."""
        slack, method = self._slack, METHODS[choice % len(METHODS)]
        faults = (
            lambda: slack.fail_next(method, status=429),
            lambda: slack.fail_next(method, status=503),
            lambda: slack.drop_connection_before(method),
            lambda: slack.drop_connection_after(method),
            lambda: slack.answer_500_after(method),
        )
        faults[choice // len(METHODS) % len(faults)]()

    def answer_late(self, num_posts: int, delay_s: float) -> None:
        """Take the next posts at once, and say so late."""
        self._slack.delay_after(METHODS[0], delay_s, times=num_posts)

    def heal(self) -> None:
        """No more faults."""
        self._slack.clear_faults()


def _post(message: Message) -> Post:
    return Post(message.ts, (*message.edits, message.text), message.deleted)
