"""The handlers of each kind of job, built from the settings."""

import dataclasses
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shared.jobs import Kind
from shared.replies import Done
from shared.settings import Settings
from worker.chat_model import sampling_of
from worker.engine.encoders.protocol import Embedding
from worker.handler import Handler, Outcome
from worker.knowledge.reader_pool import ReaderPool
from worker.knowledge.search import Search
from worker.knowledge.store import DocumentStore
from worker.leases import HeldLease
from worker.prompts.library import PromptLibrary, read_library
from worker.sentiment.rater import Rater
from worker.sentiment.report import Reporter
from worker.sentiment.tagging import Marking, Tagger
from worker.store import BlockingStore
from worker.tasks.ask import Asking, AskOptions, is_quoting
from worker.tasks.attachments import AttachmentReader
from worker.tasks.chat import Answerer, ChatOptions
from worker.tasks.generate import ChatModel
from worker.tasks.learn import Learner
from worker.tasks.memory import Remembering
from worker.tasks.opt_out import Opter
from worker.tasks.summarize import Summarizer
from worker.tasks.translate import Translating, Translator
from worker.tasks.write import Composer


class Seq2SeqTranslating:
    """The local translation model as a ``translate.Translating``."""

    def __init__(self, name: str, device: str) -> None:
        """Load the model.

        Raises:
            ModelUnavailableError: it cannot be found or read.
        """
        from worker.engine.seq2seq import load_seq2seq  # noqa: PLC0415 - seconds of import

        self._model = load_seq2seq(name, device)

    def translate(
        self, sentences: Sequence[str], source: str, target: str, held: HeldLease
    ) -> list[str]:
        """See ``translate.Translating``."""
        from worker.engine.seq2seq import Pair  # noqa: PLC0415 - the same

        return self._model.translate(sentences, Pair(source, target), lambda: held.is_over)


def translating_model(settings: Settings) -> Translating | None:
    """The translation model, if one is set.

    Raises:
        ModelUnavailableError: it cannot be found or read.
    """
    if settings.translation_model is None:
        return None
    return Seq2SeqTranslating(settings.translation_model, settings.device)


def text_handlers_of(
    settings: Settings, store: BlockingStore, chat_model: ChatModel, library: PromptLibrary
) -> dict[Kind, Handler]:
    """The handlers of the kinds that work on text.

    Raises:
        ModelUnavailableError: the translation model cannot be found or read.
    """
    remembering = Remembering(settings.max_turns, settings.retention_ms)
    sampling = sampling_of(settings)
    composer = Composer(store, chat_model, library, sampling, remembering)
    translator = Translator(store, chat_model, library, remembering, translating_model(settings))
    quoting = is_quoting(settings.answer_by, chat_model.num_parameters)
    return {
        Kind.COMPLETE: composer.complete,
        Kind.OPT: Opter(store).opt,
        Kind.SUMMARIZE: Summarizer(store, chat_model, library, is_quoting=quoting).summarize,
        Kind.TRANSLATE: translator.translate,
        Kind.WRITE: composer.write,
    }


WRITTEN_BY_THE_MODEL = (Kind.CHAT, Kind.ASK, Kind.COMPLETE, Kind.SUMMARIZE, Kind.WRITE)
"""Kinds whose answers the chat model writes."""


@dataclass(frozen=True, slots=True)
class Aids:
    """What handlers use beside the chat model; started at its first use, closed by its owner."""

    rater: Rater
    """The sentiment model."""
    readers: ReaderPool
    """Reads files."""


def handlers_of(
    settings: Settings, store: BlockingStore, chat_model: ChatModel | None, model: str, aids: Aids
) -> Mapping[Kind, Handler]:
    """The handlers of all kinds of job.

    Args:
        settings: the worker's.
        store: its Redis.
        chat_model: the chat model; None where the worker runs no kind that needs it.
        model: that model's name.
        aids: what they use beside it.
    """
    library = DocumentStore(store.client, settings.knowledge_quota)
    search = Search(library, lambda: _load_embedding(settings))
    marking = Marking(settings.sentiment_reactions, settings.sentiment_alert_drop)
    handlers: dict[Kind, Handler] = {
        Kind.LEARN: Learner(search, aids.readers, settings.max_upload_mb).learn,
        Kind.TAG: Tagger(store, aids.rater.rate, marking, time.time).tag,
        Kind.REPORT: Reporter(store, time.time).report,
    }
    if chat_model is None:
        return handlers
    written = _written(settings, store, chat_model, search, aids.readers)
    named = {kind: _naming(written[kind], model) for kind in WRITTEN_BY_THE_MODEL}
    return {**handlers, **written, **named}


def _written(
    settings: Settings,
    store: BlockingStore,
    chat_model: ChatModel,
    search: Search,
    readers: ReaderPool,
) -> dict[Kind, Handler]:
    """The handlers that need the chat model or its conversations."""
    sampling = sampling_of(settings)
    remembering = Remembering(settings.max_turns, settings.retention_ms)
    manner = ChatOptions(settings.system_prompt, sampling, remembering)
    answerer = Answerer(store, chat_model, manner)
    prompts = read_library(settings.prompts_dir)
    ask_options = AskOptions(
        sampling=sampling,
        is_quoting=is_quoting(settings.answer_by, chat_model.num_parameters),
        remembering=remembering,
    )
    asking = Asking(store, chat_model, search, prompts, ask_options)
    attaching = AttachmentReader(
        chat_model.tokenizer, chat_model.limits, readers, settings.max_upload_mb
    )
    words = text_handlers_of(settings, store, chat_model, prompts)
    return {
        Kind.CHAT: attaching.before(
            asking.chat(answerer.answer), is_shown_pictures=chat_model.can_see
        ),
        Kind.ASK: asking.ask,
        Kind.NEW: answerer.forget,
        **words,
        Kind.TRANSLATE: attaching.before(words[Kind.TRANSLATE]),
        Kind.WRITE: attaching.before(words[Kind.WRITE]),
    }


def _naming(handler: Handler, own_model: str) -> Handler:
    """Wrap a handler: its answer says so where the channel prefers another model."""

    def named(held: HeldLease) -> Outcome:
        outcome = handler(held)
        manner, reply = held.lease.job.manner, outcome.reply
        wanted = manner.model if manner else ""
        if wanted in ("", own_model) or not isinstance(reply, Done) or not reply.text:
            return outcome
        note = f"*({wanted} is not running; this is by {own_model}.)*"
        return dataclasses.replace(
            outcome, reply=dataclasses.replace(reply, text=f"{reply.text}\n\n{note}")
        )

    return named


def _load_embedding(settings: Settings) -> Embedding:
    from worker.engine.encoders.embedder import load_embedder  # noqa: PLC0415 - seconds of import

    return load_embedder(settings.embedding_model, settings.device, settings.cache_dir)
