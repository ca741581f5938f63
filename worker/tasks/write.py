"""Texts on request: drafts by form and tone, and continued texts."""

import dataclasses

from shared.jobs import Job
from shared.replies import Done, Failed
from shared.tasks import Complete, Form, Length, Write
from worker.engine.protocol import Sampling
from worker.handler import Outcome
from worker.leases import HeldLease
from worker.prompts.chat import make_continuation, make_task_prompt
from worker.prompts.library import PromptLibrary, fresh_mark
from worker.prompts.template import RenderedPrompt
from worker.store import BlockingStore
from worker.tasks.generate import ChatModel, Draft
from worker.tasks.memory import Remembering, in_language

FORMS = {
    Form.EMAIL: "an email",
    Form.ANNOUNCEMENT: "an announcement",
    Form.AD: "an advertisement",
    Form.NEWS: "a news article",
    Form.REPLY: "a reply",
}
LENGTHS = {
    Length.SHORT: "in two or three sentences",
    Length.MEDIUM: "in one or two paragraphs",
    Length.LONG: "in several paragraphs",
}
TOKENS = {Length.SHORT: 120, Length.MEDIUM: 320, Length.LONG: 900}
"""The longest text: a paragraph of English has some 100 tokens."""
NOTHING_WRITTEN = "I could not think of anything to write. Please say more about it."


class Composer:
    """Writes drafts and continuations with one model."""

    def __init__(
        self,
        store: BlockingStore,
        chat_model: ChatModel,
        library: PromptLibrary,
        sampling: Sampling,
        remembering: Remembering,
    ) -> None:
        self._store = store
        self._chat_model = chat_model
        self._library = library
        self._sampling = sampling
        self._remembering = remembering

    def write(self, held: HeldLease) -> Outcome:
        """Write a draft. See ``handler.Handler``."""
        job = held.lease.job
        task = job.task if isinstance(job.task, Write) else Write(Form.EMAIL)
        rendered = rendered_for(task, job.text, self._library, fresh_mark())
        system = f"{rendered.system}{in_language(job)}"
        rendered = dataclasses.replace(rendered, system=system)
        chat_model = self._chat_model
        prompt = make_task_prompt(
            rendered,
            chat_model.tokenizer,
            chat_model.limits,
            TOKENS[task.length],
            chat_model.terms_for(job),
        )
        draft = Draft(self._store, chat_model, held)
        written = draft.write(prompt, self._sampling)
        answer = draft.text.strip()
        if not answer:
            return Outcome(Failed("no_words", NOTHING_WRITTEN))
        memory = self._remembering.memory(job, _asked(task, job), answer)
        done = Done(answer, written.finish_reason, has_thought=draft.has_thought)
        return Outcome(done, memory)

    def complete(self, held: HeldLease) -> Outcome:
        """Continue a text, as a base model does. See ``handler.Handler``."""
        job, chat_model = held.lease.job, self._chat_model
        task = job.task if isinstance(job.task, Complete) else Complete()
        prompt = make_continuation(
            job.text, chat_model.tokenizer, chat_model.limits, task.max_new_tokens
        )
        draft = Draft(self._store, chat_model, held)
        draft.add(job.text)
        draft.write(prompt, Sampling(task.temperature, task.top_p, seed=task.seed))
        # The answer ends at the requested length, which needs no remark.
        return Outcome(Done(draft.text.rstrip()))


def rendered_for(task: Write, about: str, library: PromptLibrary, mark: str) -> RenderedPrompt:
    """The prompt for a draft.

    Args:
        task: what is to be written.
        about: its subject, in the person's words; may be empty for a reply.
        library: the prompts.
        mark: the delimiter around the message that is replied to.
    """
    tone = f", {task.tone} in tone" if task.tone else ""
    length = LENGTHS[task.length]
    if task.reply_to is None:
        form = FORMS[task.form]
        return library.render("write", form=form, tone=tone, length=length, about=about)
    return library.render(
        "reply",
        message=task.reply_to.text,
        author=" ".join(task.reply_to.author.split()),
        tone=tone,
        length=length,
        about=f" It should say: {about}" if about else "",
        mark=mark,
    )


def _asked(task: Write, job: Job) -> str:
    form = FORMS[task.form]
    if task.reply_to is None:
        return f"Write {form} about: {job.text}"
    return f"Draft {form} to: {task.reply_to.text}"
