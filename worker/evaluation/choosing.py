"""What translates here, as settings have it: a translation model, or the chat model."""

import contextlib
from collections.abc import Iterator, Sequence

from shared.settings import Settings
from worker.engine.gguf import DEFAULT_MODEL
from worker.engine.loader import DEFAULT
from worker.engine.seq2seq import Pair, load_seq2seq
from worker.evaluation.chat_model import open_mind
from worker.evaluation.translation import Translate, by_chat_model
from worker.prompts.library import read_library


@contextlib.contextmanager
def translating(settings: Settings) -> Iterator[tuple[str, Translate]]:
    """The translator's name and what translates, while the block runs.

    Raises:
        ModelUnavailableError: the model cannot be found or read.
    """
    if settings.translation_model:
        model = load_seq2seq(settings.translation_model, settings.device)

        def translate(texts: Sequence[str], source: str, target: str) -> list[str]:
            return model.translate(texts, Pair(source, target))

        yield settings.translation_model, translate
        return
    library = read_library(settings.prompts_dir)
    name = DEFAULT_MODEL.name if settings.model == DEFAULT else settings.model
    with open_mind(settings.model, settings) as mind:
        yield name, by_chat_model(mind, library)
