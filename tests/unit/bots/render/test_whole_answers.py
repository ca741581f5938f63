"""What a chat shows of an answer is what the answer says: the CommonMark spec, and made documents.

``sources`` says what "the same" means. Each document is also cut into parts that are far smaller
than the platforms', so that every construct is cut somewhere.
"""

import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from bots.render.dialect import Dialect
from bots.render.discord import DiscordDialect
from bots.render.slack import SlackDialect
from bots.render.split import parts_of
from tests.chats.discord import read_discord
from tests.chats.shown import Block
from tests.chats.slack import read_slack
from tests.unit.bots.render.documents import document
from tests.unit.bots.render.sources import shown, source_of

SPEC = json.loads((Path(__file__).parent / "commonmark_spec.json").read_text(encoding="utf-8"))
EXAMPLES: list[str] = [example["markdown"] for example in SPEC["examples"]]
Read = Callable[[str], Sequence[Block]]
CHATS: dict[str, tuple[Callable[[int], Dialect], int, Read]] = {
    "discord": (DiscordDialect, 2000, read_discord),
    "slack": (SlackDialect, 3500, read_slack),
}
CHAT = pytest.mark.parametrize("chat", CHATS)
NUM_DOCUMENTS = 10_000
NUM_BATCHES = 20


@CHAT
@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_every_example_of_the_commonmark_spec_is_shown_whole(chat: str, number: int) -> None:
    make, limit, read = CHATS[chat]

    parts = list(parts_of(EXAMPLES[number], make(limit)))

    assert all(make(limit).measure(part) <= limit for part in parts)
    said = source_of(EXAMPLES[number])
    # where there is nothing but markup, it is shown as it is
    assert shown(parts, read) == said or said == ("", "")


def test_the_spec_is_all_there() -> None:
    assert len(EXAMPLES) == 652


@CHAT
@pytest.mark.parametrize("batch", range(NUM_BATCHES))
def test_made_documents_are_shown_whole_in_parts_that_fit(chat: str, batch: int) -> None:
    make, _, read = CHATS[chat]
    for seed in range(batch, NUM_DOCUMENTS, NUM_BATCHES):
        chance = random.Random(seed)
        text, limit = document(chance), chance.choice([320, 900])

        parts = list(parts_of(text, make(limit)))

        assert all(make(limit).measure(part) <= limit for part in parts), seed
        assert shown(parts, read) == source_of(text), seed
