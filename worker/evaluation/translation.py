"""``parley eval translation``: chrF on sentences that people have translated.

Beside the untranslated source, which shares names and loanwords with its translation: a translator
below that does harm. Measures the configured translator: a translation model, or the chat model.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from sacrebleu.metrics.chrf import CHRF

from shared.errors import StartupError
from shared.languages import find_language, name_of
from shared.settings import Settings
from worker.engine.gguf import DEFAULT_MODEL
from worker.engine.protocol import DEFAULT
from worker.engine.seq2seq import Pair, load_seq2seq
from worker.evaluation.chat_model import open_chat_model, write_all
from worker.evaluation.report import Evaluation, Figure, ReportTable
from worker.prompts.library import PromptLibrary, fresh_mark, read_library
from worker.tasks.generate import ChatModel
from worker.tasks.languages import identify
from worker.tasks.translate import cleaned, prompt_for

SHIPPED = resources.files("worker.evaluation") / "data" / "translation.tsv"
NUM_COLUMNS, NUM_COLUMNS_WITH_LANGUAGES = 2, 4
COPY = "source, untranslated"

Translate = Callable[[Sequence[str], str, str], list[str]]
"""A function from sentences, their language and the target language to translations."""


@dataclass(frozen=True, slots=True)
class TranslationExample:
    """A sentence and its translation by people."""

    source: str
    target: str
    """Languages, as ISO 639-1 codes."""
    text: str
    reference: str


def read_examples(file: Path | None, to: str | None) -> list[TranslationExample]:
    """The sentences to translate: the file's, or Parley's own.

    Args:
        file: lines of text, tab, translation; or of source language, tab, target language, tab,
            text, tab, translation. None: sentences of Django's interface.
        to: the language of the translations, where the lines do not name it.

    Raises:
        StartupError: the file cannot be read, or the languages are not known.
    """
    try:
        text = (file or SHIPPED).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise StartupError(f"{file} cannot be read: it has to be a text file in UTF-8.") from error
    target = find_language(to) if to else None
    if to and target is None:
        raise StartupError(f"--to {to} is no language: use its name or code, such as French or fr.")
    lines = [line.split("\t") for line in text.splitlines() if line.strip()]
    examples = [_example(number, line, target) for number, line in enumerate(lines, start=1)]
    wanted = [e for e in examples if target is None or e.target == target]
    if not wanted:
        raise StartupError(f"{file or 'Our file'} has no translations to measure.")
    return wanted


def _example(number: int, columns: Sequence[str], target: str | None) -> TranslationExample:
    if len(columns) == NUM_COLUMNS_WITH_LANGUAGES:
        return TranslationExample(*columns)
    if len(columns) != NUM_COLUMNS:
        raise StartupError(
            f"Line {number} has {len(columns)} columns: it needs a text, a tab and its translation."
        )
    if target is None:
        raise StartupError("Say with --to which language the translations are in.")
    return TranslationExample(identify(columns[0]).code, target, *columns)


def evaluate_translation(
    examples: Sequence[TranslationExample], name: str, translate: Translate
) -> Evaluation:
    """Translate everything and compare."""
    targets = sorted({example.target for example in examples})
    figures: dict[str, Figure] = {}
    rows = []
    for target in targets:
        ours = [example for example in examples if example.target == target]
        texts = [example.text for example in ours]
        translated = translate(texts, ours[0].source, target)
        scores = {"parley": _chrf(translated, ours), "copy": _chrf(texts, ours)}
        figures[target] = {"pairs": len(ours), **scores}
        rows.append(
            (name_of(target), str(len(ours)), f"{scores['parley']:.1f}", f"{scores['copy']:.1f}")
        )
    table = ReportTable(
        f"Translation, chrF: {name}", ("into", "sentences", name, COPY), tuple(rows)
    )
    remarks = ("chrF (sacrebleu): 0 to 100, higher is better; good translations have 55 or more.",)
    whole: dict[str, Figure] = {"model": name, "pairs": len(examples), "chrf": figures}
    return Evaluation("translation", whole, (table,), remarks)


def _chrf(translations: Sequence[str], examples: Sequence[TranslationExample]) -> float:
    references = [[example.reference for example in examples]]
    return round(float(CHRF().corpus_score(list(translations), references).score), 2)


def by_chat_model(chat_model: ChatModel, library: PromptLibrary) -> Translate:
    """Translate as in a channel where no translation model is set."""

    def translate(texts: Sequence[str], source: str, target: str) -> list[str]:
        mark = fresh_mark()
        prompts = [prompt_for(text, (source, target, mark), library, chat_model) for text in texts]
        written = write_all(chat_model, prompts)
        return [cleaned(answer, text, mark) for answer, text in zip(written, texts, strict=True)]

    return translate


@contextlib.contextmanager
def translating(settings: Settings) -> Iterator[tuple[str, Translate]]:
    """The translator's name and function, while the block runs.

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
    with open_chat_model(settings.model, settings) as chat_model:
        yield name, by_chat_model(chat_model, library)
