"""The Discord half of a run: where people speak, what stands below, and what Discord does wrong."""

import random
from collections.abc import Iterator

from shared.jobs import JOB_ID_LENGTH, Origin, Platform, job_id
from tests.chaos.checker import Post
from tests.chaos.conversations import Question, Spot
from tests.fakes.discord_model import Message
from tests.fakes.discord_server import FakeDiscord
from tests.fakes.discord_settings import Settings

NUM_CHANNELS = 12
DIRECT_TEAM = "@me"
CALLS = (
    ("POST", "/channels/{channel_id}/messages"),
    ("PATCH", "/channels/{channel_id}/messages/{message_id}"),
)


def make_discord() -> FakeDiscord:
    """A Discord whose rate limits are those that the nemesis asks for."""
    return FakeDiscord(settings=Settings(rate_limit=None, global_rate_limit=None))


class DiscordSide:
    """Discord as people and the nemesis use it."""

    name = "discord"

    def __init__(self, discord: FakeDiscord, num_people: int) -> None:
        self._discord = discord
        self._people = [discord.add_user(f"person{k}").id for k in range(num_people)]
        self._guild = discord.add_guild("team", members=self._people).id
        self._channels = [
            discord.add_channel(self._guild, f"channel{k}").id for k in range(NUM_CHANNELS)
        ]
        self._directs = {person: discord.add_dm(person).id for person in self._people}
        self._by_message: dict[int, Question] = {}
        self._by_job: dict[str, Question] = {}
        self._num_seen: dict[int, int] = {}
        self._posted: dict[str, list[Message]] = {}
        """Marker -> the bot's messages that reply to it."""
        self._strays: list[Message] = []

    def new_spot(self, random_: random.Random) -> Spot:
        """A place in a channel where a conversation may begin."""
        channel, person = random_.choice(self._channels), random_.choice(self._people)
        return Spot(self.name, str(channel), str(person))

    def direct_spots(self) -> list[Spot]:
        """Everybody's direct messages."""
        return [
            Spot(self.name, str(channel), str(person), is_direct=True)
            for person, channel in self._directs.items()
        ]

    async def ask(self, question: Question, *, is_mention: bool) -> None:
        """Say it: with a mention, as a reply that pings us, or as a reply with its ping off."""
        spot = question.spot
        last_answer = spot.last_answer()
        is_reply = bool(spot.root and last_answer)
        mention = "" if spot.is_direct or is_reply else f"<@{self._discord.bot_user_id}> "
        said = await self._discord.say(
            int(spot.channel),
            int(spot.person),
            f"{mention}{question.text}",
            reply_to=int(last_answer) if is_reply else None,
            mentions=None if is_mention or not is_reply else (),
        )
        if not spot.is_direct:
            spot.root = spot.root or str(said.id)
        question.message = str(said.id)
        question.job_id = job_id(
            Origin(
                platform=Platform.DISCORD,
                team=DIRECT_TEAM if spot.is_direct else str(self._guild),
                channel=spot.channel,
                thread=spot.root,
                message=question.message,
                user=spot.person,
            )
        )
        self._by_message[said.id] = question
        self._by_job[question.job_id] = question

    def look(self) -> None:
        """Find the bot's new messages, and the question that each replies to."""
        for message in self._new_messages():
            question = self._question_of(message)
            if question is None or question.spot.channel != str(message.channel_id):
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
            messages = self._discord.messages(channel)
            for message in messages[self._num_seen.get(channel, 0) :]:
                if message.author_id == self._discord.bot_user_id:
                    yield message
            self._num_seen[channel] = len(messages)

    def _question_of(self, message: Message) -> Question | None:
        """By what it replies to; a further part of an answer replies to nothing, but has a nonce
        that begins with its job's id."""
        if message.reference is not None:
            return self._by_message.get(message.reference)
        return self._by_job.get(str(message.nonce or "")[:JOB_ID_LENGTH])

    def forget_requests(self) -> None:
        """Free the memory of what nobody will look at."""
        self._discord.requests.clear()
        self._discord.typing.clear()

    async def drop_gateways(self) -> None:
        """Break every connection without a word."""
        await self._discord.drop_gateways()

    async def reconnect_gateways(self) -> None:
        """Ask every connection to resume on another one, as Discord does now and then."""
        await self._discord.request_reconnect()

    async def invalidate_sessions(self) -> None:
        """End every session: nothing will be replayed."""
        await self._discord.invalidate_sessions()

    def break_call(self, choice: int) -> None:
        """Let the next call of a route go wrong."""
        discord = self._discord
        call = CALLS[choice % len(CALLS)]
        faults = (
            lambda: discord.fail_next(*call, status=429, retry_after_s=1.0),
            lambda: discord.fail_next(*call, status=503),
            lambda: discord.drop_connection_before(*call),
            lambda: discord.drop_connection_after(*call),
            lambda: discord.answer_502_after(*call),
        )
        faults[choice // len(CALLS) % len(faults)]()

    def answer_late(self, num_posts: int, delay_s: float) -> None:
        """Take the next posts at once, and say so late."""
        self._discord.delay_after(*CALLS[0], delay_s, times=num_posts)

    def heal(self) -> None:
        """No more faults."""
        self._discord.clear_faults()


def _post(message: Message) -> Post:
    return Post(str(message.id), (*message.edits, message.content), message.deleted)
