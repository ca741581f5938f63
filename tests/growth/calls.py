"""Calls of functions that need more than their parameters' types say, and those without a call."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping

from bots.incoming.preference_form import preferences_of
from bots.render import discord, slack
from bots.render.inline import lines_of, stretches_of
from bots.render.lines import fill
from bots.render.parse import Stretch
from bots.render.parse import read as read_rows
from bots.render.split import first_parts, parts_of
from bots.render.tables import lay
from shared.jobs import Job, Turn
from shared.ledger.codec import decode, decode_any, encode
from shared.logs import redact
from shared.preferences import Preferences
from shared.replies import Done
from tests.growth.functions import value_of
from tests.unit.worker.byte_tokenizer import ByteTokenizer
from worker.engine.protocol import RequestLimits
from worker.engine.remote.stream import NoStreamError, StreamError, chunks_of
from worker.engine.thinking.notation import Notation, hidden_ids, notation_of
from worker.engine.thinking.splitter import Splitter, Start
from worker.knowledge.documents import Outline
from worker.knowledge.lexical import Stemmer
from worker.knowledge.readers import read_document
from worker.knowledge.readers.html import add_html
from worker.prompts import chat
from worker.prompts.template import RenderedPrompt
from worker.sentiment.features import VaderLexicon, cues_of
from worker.tasks.masking import Sentence, take_apart

PIECE = 5
"""The characters of a piece of a stream: a model's token."""
LIMITS = RequestLimits(10_000_000, 100)


def _pieces(text: str) -> list[str]:
    return [text[at : at + PIECE] for at in range(0, len(text), PIECE)]


def _split(start: Start, *, has_channels: bool = False) -> Callable[[str], object]:
    """A whole answer in the pieces of a stream."""

    def call(text: str) -> object:
        splitter = Splitter(Notation(has_channels=has_channels), start)
        parts = [part for piece in _pieces(text) for part in splitter.push(piece)]
        return [*parts, *splitter.flush()]

    return call


def _stream(size: int) -> Callable[[str], object]:
    """A server's response, which comes in pieces of so many bytes."""

    async def parts(data: bytes) -> AsyncIterator[bytes]:
        for at in range(0, len(data), size):
            yield data[at : at + size]

    async def read(text: str) -> int:
        found = 0
        try:
            async for _ in chunks_of(parts(text.encode("utf-8", "replace"))):
                found += 1
        except (NoStreamError, StreamError):
            return -1
        return found

    return lambda text: asyncio.run(read(text))


def _fits(text: str) -> bool:
    return len(text) <= discord.MAX_CONTENT_CHARS // 2


LEXICON = VaderLexicon()
STRETCH = Stretch(discord.MAX_CONTENT_CHARS // 2, _fits)

CALLS: Mapping[str, Callable[[str], object]] = {
    "bots.incoming.preference_form.preferences_of": lambda text: preferences_of(
        {"instructions": text, "quiet_hours": text}, Preferences()
    ),
    "bots.render.inline.lines_of": lambda text: list(lines_of(text, STRETCH.longest, _fits)),
    "bots.render.inline.stretches_of": lambda text: list(
        stretches_of(text, STRETCH.longest, _fits)
    ),
    "bots.render.lines.fill": lambda text: fill(
        value_of(fill.__annotations__["runs"], text), 2000, discord.DIALECT
    ),
    "bots.render.parse.read": lambda text: list(read_rows(text, STRETCH)),
    "bots.render.split.first_parts": lambda text: first_parts(text, slack.DIALECT, 20),
    "bots.render.split.parts_of": lambda text: list(parts_of(text, slack.DIALECT)),
    "bots.render.tables.lay": lambda text: lay(
        [text[:300], "b"],
        [[text[:300], piece] for piece in _pieces(text)],
        lambda lines: len(lines) < 50,
    ),
    "shared.ledger.codec.decode": lambda text: decode(encode(Turn("user", text)), Turn),
    "shared.ledger.codec.decode_any": lambda text: decode_any(encode(Done(text))),
    "shared.ledger.codec.encode": lambda text: encode(value_of(Job, text)),
    "shared.logs.redact": lambda text: redact(None, "info", {"event": text, "fault": text}),
    "worker.engine.remote.stream.chunks_of": _stream(1000),
    "worker.engine.remote.stream.chunks_of (small pieces)": _stream(20),
    "worker.engine.thinking.splitter.Splitter (tags)": _split(Start.ANSWER),
    "worker.engine.thinking.splitter.Splitter (in a thought)": _split(Start.THOUGHT),
    "worker.engine.thinking.splitter.Splitter (unknown)": _split(Start.UNKNOWN),
    "worker.engine.thinking.splitter.Splitter (channels)": _split(Start.ANSWER, has_channels=True),
    "worker.engine.thinking.notation.hidden_ids": lambda text: hidden_ids(
        ByteTokenizer(control_tokens=(text,))
    ),
    "worker.engine.thinking.notation.notation_of": lambda text: notation_of(
        ByteTokenizer(control_tokens=(text,))
    ),
    "worker.knowledge.lexical.Stemmer.of": lambda text: Stemmer().of(text),
    "worker.knowledge.readers.html.add_html": lambda text: add_html(Outline(), text),
    "worker.knowledge.readers.read_document": lambda text: read_document(
        text.encode("utf-8", "replace"), "notes.txt", 100.0
    ),
    "worker.prompts.chat.control_tokens": lambda text: chat.control_tokens(
        ByteTokenizer(control_tokens=(text,))
    ),
    "worker.prompts.chat.lay_out_plain": lambda text: chat.lay_out_plain(
        text, [Turn("user", piece) for piece in _pieces(text)]
    ),
    "worker.prompts.chat.make_continuation": lambda text: chat.make_continuation(
        text, ByteTokenizer(), LIMITS, 10
    ),
    "worker.prompts.chat.make_prompt": lambda text: chat.make_prompt(
        chat.PromptInput(text[:1000], (), text), ByteTokenizer(), LIMITS
    ),
    "worker.prompts.chat.make_task_prompt": lambda text: chat.make_task_prompt(
        value_of(RenderedPrompt, text), ByteTokenizer(), LIMITS
    ),
    "worker.sentiment.features.cues_of": lambda text: cues_of(LEXICON, [text[:4000]]),
    "worker.tasks.masking.take_apart": lambda text: take_apart(text, lambda line: [line]),
    "worker.tasks.masking.Sentence.restored": lambda text: Sentence(("", ""), ("`a`",)).restored(
        f"[1] {text}"
    ),
}
"""The name of a function, and which use of it -> a call with a text."""

NO_LEDGER = "works on the ledger, whose texts the functions here have read"
LEFT_OUT: Mapping[str, str] = {
    "bots.incoming.backfill.backfill": NO_LEDGER,
    "bots.incoming.backfill.look_through": "takes no text",
    "bots.incoming.explain.explain": "an operator's own command",
    "bots.incoming.explain.judge": "an operator's own command",
    "bots.incoming.explain.read": "an operator's own command",
    "bots.incoming.intents.common.hours_in": "takes a match, whose numbers have four digits",
    "bots.incoming.privacy.forget_user": NO_LEDGER,
    "shared.logs.configure_logs": "changes this process's logs",
    "shared.logs.get_logger": "takes the name of a module",
    "worker.knowledge.readers.office.read_docx": "reads packed files, in a process of its own",
    "worker.knowledge.readers.office.read_pdf": "reads packed files, in a process of its own",
    "worker.prompts.library.read_library": "reads an operator's folder",
    "worker.sentiment.report.alternative_text": "takes numbers and dates",
    "worker.sentiment.report.read_ratings": NO_LEDGER,
    "worker.sentiment.report.report_text": "see worker.sentiment.report.drop_text",
    "worker.tasks.translate.prompt_for": "needs an engine; see make_task_prompt",
}
"""The name of a function without a call -> why it has none."""
