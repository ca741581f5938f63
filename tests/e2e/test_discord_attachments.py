"""Files that come with a question on Discord: read, or said to be left out."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio
import redis

from shared.jobs import Job
from shared.ledger import codec, keys
from tests.e2e.conftest import free_port, start_bots, stop_bots
from tests.fakes.discord_model import Attachment, Channel, Message, User
from tests.fakes.discord_server import FakeDiscord
from tests.fakes.discord_settings import Settings
from tests.running import RunningModule

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOTES = Attachment("notes.md", b"# Tower\n\nThe vault opens with zebra-4711.\n", "text/markdown")
PICTURE = Attachment("tower.png", b"\x89PNG\r\n\x1a\n", "image/png")
BOOK = Attachment("book.txt", b"word " * 1_000, "text/plain")


@dataclass(frozen=True, slots=True)
class Town:
    """A server with a channel and a person."""

    discord: FakeDiscord
    here: Channel
    alice: User

    async def ask(self, *files: Attachment, text: str = "what does it say?") -> Message:
        """The whole answer to a question with files."""
        mention = f"<@{self.discord.bot_user_id}> {text}"
        asked = await self.discord.say(self.here, self.alice, mention, attachments=files)

        def answer() -> Message | None:
            answers = self.discord.replies(self.here)
            return next((m for m in answers if m.reference == asked.id and is_over(m)), None)

        found = await self.discord.wait_for(answer)
        assert found is not None
        return found


def is_over(message: Message) -> bool:
    ids = [button["custom_id"] for row in message.components for button in row["components"]]
    return any(custom_id.startswith("parley:retry:") for custom_id in ids)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def town(
    redis_server: str, worker: RunningModule, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Town]:
    del worker
    async with FakeDiscord(settings=Settings(rate_limit=None)) as server:
        alice = server.add_user("alice")
        here = server.add_channel(server.add_guild("team", members=[alice]), "here")
        settings = {
            "PARLEY_REDIS_URL": redis_server,
            "PARLEY_HTTP_PORT": str(free_port()),
            "PARLEY_DATA_DIR": str(tmp_path_factory.mktemp("data")),
            "PARLEY_DISCORD_API_URL": server.api_url,
            "PARLEY_DISCORD_GATEWAY_URL": server.gateway_url,
            "PARLEY_MAX_UPLOAD_MB": "0.001",
            "DISCORD_TOKEN": server.token,
        }
        bots = await start_bots(settings)
        await server.wait_until_connected()
        yield Town(server, here, alice)
        await stop_bots(bots)


def job_of(redis_server: str, answer: Message) -> Job:
    """The job of an answer, as the ledger keeps it."""
    with redis.Redis.from_url(redis_server) as client:
        document = client.hget(keys.job(str(answer.nonce)), "job")
    assert isinstance(document, bytes)
    return codec.decode(document.decode(), Job)


async def test_a_file_is_read_as_a_part_of_the_question(town: Town, redis_server: str) -> None:
    answer = await town.ask(NOTES)

    (kept,) = job_of(redis_server, answer).attachments
    assert kept.name == "notes.md"
    assert "zebra-4711" in kept.text


async def test_what_is_not_read_is_said_below_the_answer(town: Town) -> None:
    answer = await town.ask(PICTURE, BOOK)

    assert "I left tower.png out" in answer.content
    assert "The file book.txt has 0.0 MB and I read at most 0.001 MB" in answer.content


async def test_a_file_that_discord_does_not_hand_out_is_said_to_be_missing(town: Town) -> None:
    gone = Attachment("gone.txt", b"nothing", "text/plain")
    town.discord.settings.hands_out_files = False

    answer = await town.ask(gone)

    town.discord.settings.hands_out_files = True

    assert "I could not get the file gone.txt" in answer.content


async def test_files_of_messages_that_are_not_for_us_are_not_fetched(town: Town) -> None:
    secret = Attachment("secret.txt", b"between us", "text/plain")
    await town.discord.say(town.here, town.alice, "for somebody else", attachments=[secret])

    await town.ask(NOTES)

    assert "notes.md" in town.discord.world.downloads
    assert "secret.txt" not in town.discord.world.downloads
