"""The tasks of words, put together: which kind of job is done by what."""

from collections.abc import Sequence

from shared.jobs import Kind
from shared.settings import Settings
from worker.engine.protocol import Sampling
from worker.handler import Handler
from worker.leases import HeldLease
from worker.prompts.library import PromptLibrary
from worker.store import BlockingStore
from worker.tasks.ask import is_quoting
from worker.tasks.generate import ChatModel
from worker.tasks.memory import Remembering
from worker.tasks.opt_out import Opter
from worker.tasks.summarize import Summarizer
from worker.tasks.translate import Translating, Translator
from worker.tasks.write import Composer


class Seq2SeqTranslating:
    """A translation model as translations use it."""

    def __init__(self, name: str, device: str) -> None:
        """Load it.

        Raises:
            ModelUnavailableError: it cannot be found or read.
        """
        from worker.engine.seq2seq import load_seq2seq  # noqa: PLC0415 - seconds of import

        self._model = load_seq2seq(name, device)

    def translate(
        self, sentences: Sequence[str], source: str, target: str, held: HeldLease
    ) -> list[str]:
        """See ``translating.Translating``."""
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
    """What is done for each kind of job that is about words.

    Raises:
        ModelUnavailableError: the translation model cannot be found or read.
    """
    remembering = Remembering(settings.max_turns, settings.retention_ms)
    sampling = Sampling(settings.temperature, settings.top_p)
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
