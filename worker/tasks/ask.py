"""Questions answered from documents.

A question is answered only from documents that are visible in its channel; if they have no answer,
the reply says so. A chat is answered from them too, when they plainly have the answer.
"""

import dataclasses
import functools
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

import redis

from shared.errors import NoKnowledgeError, PromptTooLongError
from shared.jobs import Job
from shared.logs import get_logger
from shared.replies import Done
from worker.engine.protocol import Sampling
from worker.handler import Handler, Outcome
from worker.knowledge.answers import (
    NO_DOCUMENTS,
    Citation,
    Cited,
    passages_block,
    quoting_answer,
    thin_answer,
    trimmed,
    units_of,
    written_answer,
)
from worker.knowledge.documents import clean
from worker.knowledge.relevance import STRONG_FROM, THIN_BELOW
from worker.knowledge.sanitize import addresses_in
from worker.knowledge.search import Findings, Found, Search, place_of
from worker.knowledge.visibility import view_of
from worker.leases import HeldLease
from worker.prompts.chat import make_task_prompt
from worker.prompts.library import PromptLibrary as Prompts
from worker.store import BlockingStore
from worker.tasks.generate import SMALL, ChatModel, Draft
from worker.tasks.memory import Remembering, in_language

log = get_logger(__name__)

NUM_PASSAGES = 4
"""In a prompt, and listed below a quote at most. For five questions in six the right one is among
the
first three (``parley eval qa``)."""
NEARLY = 0.85
"""A further passage is listed below a quote if its score is at least this share of the first one's.
"""
MARK_BYTES = 8
QUOTING, WRITING = "quoting", "writing"


@dataclass(frozen=True, slots=True)
class AskOptions:
    """The operator's options for answers from documents."""

    sampling: Sampling
    is_quoting: bool
    """Whether passages are quoted; else the model writes."""
    remembering: Remembering


def is_quoting(answer_by: str, num_parameters: int) -> bool:
    """Whether a model of this size quotes instead of writing, by ``PARLEY_ANSWER_BY``.

    Small models mix passages up and add to them: their confident statements are no better than
    their
    guesses.
    """
    return answer_by == QUOTING or (answer_by != WRITING and num_parameters < SMALL)


class Asking:
    """Answers questions from documents with one model; on many threads at once."""

    def __init__(
        self,
        store: BlockingStore,
        chat_model: ChatModel,
        search: Search,
        prompts: Prompts,
        manner: AskOptions,
    ) -> None:
        self._store = store
        self._chat_model = chat_model
        self._search = search
        self._prompts = prompts
        self._options = manner

    def ask(self, held: HeldLease) -> Outcome:
        """Answer from the documents. See ``handler.Handler``."""
        job = held.lease.job
        findings = self._find(job)
        if not findings.num_visible:
            return Outcome(Done(NO_DOCUMENTS))
        if findings.nearest < THIN_BELOW:
            return Outcome(Done(thin_answer(_cited(findings.passages[:3]))))
        return self._answer(held, findings)

    def chat(self, fall_back: Handler) -> Handler:
        """A chat handler that answers from documents where they plainly have the answer."""

        def answer(held: HeldLease) -> Outcome:
            job = held.lease.job
            if held.lease.shown or job.attachments or not job.text.strip():
                return fall_back(held)  # started as a chat, or about an attachment
            try:
                findings = self._find(job)
            except (NoKnowledgeError, redis.RedisError) as error:
                log.warning("documents_not_searched", error=type(error).__name__)
                return fall_back(held)
            if findings.nearest < STRONG_FROM:
                return fall_back(held)
            return self._answer(held, findings)

        return answer

    def _find(self, job: Job) -> Findings:
        view = functools.partial(view_of, is_confined=job.is_confined)
        return self._search.find(clean(job.text), place_of(view, job.origin), NUM_PASSAGES)

    def _answer(self, held: HeldLease, findings: Findings) -> Outcome:
        job = held.lease.job
        done = None if self._options.is_quoting else self._write(held, findings.passages)
        done = done or Done(self._quote(job, findings.passages))
        return Outcome(done, self._options.remembering.exchange(job, job.text, done.text))

    def _quote(self, job: Job, passages: Sequence[Found]) -> str:
        best = passages[0]
        also = [found for found in passages[1:] if found.score >= NEARLY * best.score]
        units = units_of(best.stored.passage)
        vectors = self._search.embedding.embed([job.text, *(unit.text for unit in units)])
        nearness = (vectors[1:] @ vectors[0]).tolist()
        cited = _cited([best, *also])
        return quoting_answer(trimmed(units, nearness), cited, addresses_in(job.text))

    def _write(self, held: HeldLease, passages: Sequence[Found]) -> Done | None:
        """The model's answer from as many passages as it can read; None if not even one fits.

        It is shown only when it is complete: until then its citations cannot be checked.
        """
        job = held.lease.job
        for count in range(len(passages), 0, -1):
            cited = _cited(passages[:count])
            mark = f"<<{secrets.token_hex(MARK_BYTES)}>>"
            rendered = self._prompts.render(
                "answer", passages=passages_block(cited), question=job.text, mark=mark
            )
            system = f"{rendered.system}{in_language(job)}"
            rendered = dataclasses.replace(rendered, system=system)
            try:
                prompt = make_task_prompt(
                    rendered,
                    self._chat_model.tokenizer,
                    self._chat_model.limits,
                    terms=self._chat_model.terms_for(job),
                )
                draft = Draft(self._store, self._chat_model, held)
                written = draft.write(prompt, self._options.sampling, is_shown=False)
            except PromptTooLongError:
                continue
            if not written.text.strip():
                return None
            allowed = addresses_in(job.text)
            text = written_answer(written.text, cited, allowed)
            return Done(text, written.finish_reason, has_thought=draft.has_thought)
        return None


def _cited(passages: Sequence[Found]) -> list[Cited]:
    return [
        Cited(
            Citation(found.stored.title, found.stored.passage.path, found.stored.link),
            found.stored.passage,
        )
        for found in passages
    ]
