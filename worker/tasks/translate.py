"""A translation: masked items are kept, and the rest is translated sentence by sentence.

Uses a translation model if there is one, else the chat model's prompt.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from shared.languages import name_of
from shared.replies import Done, Failed
from shared.tasks import Translate
from worker.engine.protocol import GREEDY
from worker.handler import Outcome, RunEndedError
from worker.leases import HeldLease
from worker.prompts.chat import Prompt, make_task_prompt
from worker.prompts.library import PromptLibrary, fresh_mark
from worker.store import BlockingStore
from worker.tasks.generate import SMALL, ChatModel, Draft
from worker.tasks.languages import Identified, are_same, identify, sentences_of
from worker.tasks.masking import Piece, Sentence, has_words, take_apart
from worker.tasks.memory import Remembering

SURE = 0.9
"""From this probability on a text counts as being in a language; else it is translated, which at
worst
repeats it."""
WHOLE_LINE_CHARS = 300
"""A line up to this length is one piece for a chat model, which does better with more context."""
GROWTH, ROOM = 2, 32
"""A translation has at most so many times the tokens of its source, and so many more."""
NOTHING_TO_TRANSLATE = "There is nothing to translate in that: no words."


class Translating(Protocol):
    """Translates batches of sentences."""

    def translate(
        self, sentences: Sequence[str], source: str, target: str, held: HeldLease
    ) -> list[str]:
        """Return one translation per sentence, or fewer if the run had to end."""
        ...


@dataclass(frozen=True, slots=True)
class TranslationRequest:
    """The text to translate, and its languages."""

    text: str
    source: str
    target: str


class Translator:
    """Translates messages, with one model."""

    def __init__(
        self,
        store: BlockingStore,
        chat_model: ChatModel,
        library: PromptLibrary,
        remembering: Remembering,
        model: Translating | None = None,
    ) -> None:
        """``model``: a translation model; None for the chat model."""
        self._store = store
        self._chat_model = chat_model
        self._library = library
        self._remembering = remembering
        self._model = model

    def translate(self, held: HeldLease) -> Outcome:
        """Write a translation. See ``handler.Handler``."""
        lease = held.lease
        task = lease.job.task
        if not isinstance(task, Translate):
            raise TypeError(f"A translation without a language: {task}")
        found = identify(lease.job.text)
        if (ending := _without_work(found, task.to)) is not None:
            return Outcome(Done("") if task.is_unasked else ending)
        task_request = TranslationRequest(lease.job.text, found.code, task.to)
        draft = Draft(self._store, self._chat_model, held)
        for piece in self._written(task_request, draft, held):
            draft.add(piece)
        answer = draft.text.strip() + self._warning()
        asked = f"Translate into {name_of(task.to)}: {lease.job.text}"
        return Outcome(Done(answer), self._remembering.memory(lease.job, asked, answer))

    def _written(
        self, task_request: TranslationRequest, draft: Draft, held: HeldLease
    ) -> Iterator[str]:
        if self._model is None:
            pieces = take_apart(
                task_request.text, lambda line: _lines_or_sentences(line, task_request.source)
            )
            return (self._by_chat(piece, task_request, draft) for piece in pieces)
        pieces = take_apart(task_request.text, lambda line: sentences_of(line, task_request.source))
        return iter(self._by_model(self._model, pieces, task_request, held))

    def _by_chat(self, piece: Piece, task_request: TranslationRequest, draft: Draft) -> str:
        if isinstance(piece, str):
            return piece
        if piece.asked is not None:
            restored = piece.restored(self._ask(piece.asked, task_request, draft))
            if restored is not None:
                return restored
        return piece.woven([self._fragment(part, task_request, draft) for part in piece.words])

    def _fragment(self, words: str, task_request: TranslationRequest, draft: Draft) -> str:
        """Translate the words between kept items, with their surrounding blanks."""
        if not has_words(words):
            return words
        return within_blanks(words, self._ask(words.strip(), task_request, draft))

    def _ask(self, sentence: str, task_request: TranslationRequest, draft: Draft) -> str:
        mark = fresh_mark()
        languages = (task_request.source, task_request.target, mark)
        prompt = prompt_for(sentence, languages, self._library, self._chat_model)
        # Greedy sampling: a translation is right or wrong, not one among many.
        written = draft.write(prompt, GREEDY, is_shown=False)
        return cleaned(written.text, sentence, mark)

    def _by_model(
        self,
        model: Translating,
        pieces: Sequence[Piece],
        task_request: TranslationRequest,
        held: HeldLease,
    ) -> list[str]:
        sentences = [piece for piece in pieces if isinstance(piece, Sentence)]
        asked = [sentence.asked for sentence in sentences]
        answers = iter(
            self._batch(model, [text for text in asked if text is not None], task_request, held)
        )
        restored = [
            None if text is None else sentence.restored(next(answers))
            for sentence, text in zip(sentences, asked, strict=True)
        ]
        # A sentence that has lost a number is translated once more, between the kept items.
        broken = [s for s, text in zip(sentences, restored, strict=True) if text is None]
        words = [part.strip() for s in broken for part in s.words if has_words(part)]
        again = iter(self._batch(model, words, task_request, held))

        def mended(sentence: Sentence) -> str:
            return sentence.woven(
                [within_blanks(p, next(again)) if has_words(p) else p for p in sentence.words]
            )

        results = [
            mended(sentence) if text is None else text
            for sentence, text in zip(sentences, restored, strict=True)
        ]
        done = iter(results)
        return [piece if isinstance(piece, str) else next(done) for piece in pieces]

    def _batch(
        self,
        model: Translating,
        sentences: Sequence[str],
        task_request: TranslationRequest,
        held: HeldLease,
    ) -> list[str]:
        if not sentences:
            return []
        translated = model.translate(sentences, task_request.source, task_request.target, held)
        if len(translated) < len(sentences):
            if held.ending is None:
                raise InterruptedError("The translation model stopped.")
            raise RunEndedError("")
        return translated

    def _warning(self) -> str:
        if self._model is not None or self._chat_model.num_parameters >= SMALL:
            return ""
        millions = round(self._chat_model.num_parameters / 1e6)
        return (
            f"\n\n_A small model ({millions} million parameters) wrote this translation, and small "
            "models translate badly: check it before you rely on it._"
        )


def prompt_for(
    sentence: str, languages: tuple[str, str, str], library: PromptLibrary, chat_model: ChatModel
) -> Prompt:
    """The chat model's prompt; ``languages`` are source, target, and the mark around the text.

    Raises:
        PromptTooLongError: it does not fit.
    """
    source, target, mark = languages
    rendered = library.render(
        "translate",
        text=sentence,
        source=name_of(source) if source else "its language",
        language=name_of(target),
        mark=mark,
    )
    num_tokens = len(chat_model.tokenizer.encode(sentence, add_special_tokens=False))
    return make_task_prompt(
        rendered,
        chat_model.tokenizer,
        chat_model.limits,
        num_tokens * GROWTH + ROOM,
        chat_model.terms_of_tasks,
    )


def _without_work(found: Identified, target: str) -> Done | Failed | None:
    """The reply where there is nothing to translate."""
    if not found.code:
        return Failed("no_words", NOTHING_TO_TRANSLATE)
    if are_same(found.code, target) and found.probability >= SURE:
        return Done(f"This is in {name_of(target)} already.")
    return None


def _lines_or_sentences(line: str, language: str) -> Sequence[str]:
    return [line] if len(line) <= WHOLE_LINE_CHARS else sentences_of(line, language)


def within_blanks(words: str, translation: str) -> str:
    """A translation with the surrounding blanks of its source."""
    start = len(words) - len(words.lstrip())
    end = len(words.rstrip())
    return words[:start] + translation.strip() + words[end:]


QUOTES = {'"': '"', "“": "”", "«": "»", "'": "'"}
"""Opening and closing quotation marks that models like to put around a translation."""


def cleaned(answer: str, source: str, mark: str) -> str:
    """The translation in a chat model's answer: one line; the source if the answer is empty."""
    lines = [line.strip() for line in answer.replace(mark, "\n").splitlines()]
    line = next((line for line in lines if line), "")
    if len(line) > 1 and QUOTES.get(line[0]) == line[-1] and source[:1] not in QUOTES:
        line = line[1:-1].strip()
    return line or source
