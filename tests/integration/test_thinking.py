"""Thoughts through engines and tasks: no word of them in an answer, in a memory or in a log."""

import contextlib
import itertools
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import structlog

from shared.jobs import Effort, Job, Kind, Origin, Platform, PromptOverrides, make_job
from shared.ledger import keys, lifecycle, thoughts
from shared.ledger.lifecycle import Claimant, JobLimits
from shared.replies import Done, FinishReason, Snapshot, ThoughtSoFar
from shared.settings import Settings
from shared.tasks import Form, Length, Quoted, Summarize, Task, Translate, Write
from tests.fakes.quirky_server import DONE, QuirkyServer, Reply, end, stream, text
from tests.fakes.scripted_model import save_scripted_model
from tests.fakes.tiny_gguf import save_tiny_gguf
from worker.engine.engine import EngineOptions
from worker.engine.factory import build
from worker.engine.protocol import GREEDY, ModelChoice, Thinking
from worker.engine.remote.engine import RemoteEngine
from worker.engine.remote.server import Server
from worker.engine.remote.tokenizer import PlainTokenizer
from worker.engine.thinking.notation import server_notation
from worker.handler import Handler, Outcome
from worker.handlers import text_handlers_of
from worker.leases import HeldLease
from worker.prompts.library import read_library
from worker.store import BlockingStore
from worker.tasks.chat import Answerer, ChatOptions
from worker.tasks.generate import ChatModel, chat_model_around
from worker.tasks.memory import Remembering

LIMITS = JobLimits(deadline_ms=600_000, retention_ms=600_000)
NUMBERS = itertools.count(1)
BUDGET = 20
THOUGHT, ANSWER = "Zebra grazes.", "Hello world."
LAYOUT = (
    "{% for message in messages %}{{ message['role'] + ': ' + message['content'] + '<|end|>' }}"
    "{% endfor %}assistant:"
)
SWITCHED = (
    LAYOUT + "{% if enable_thinking is defined and not enable_thinking %}<think></think>{% endif %}"
)
SAID = {"\n": "Hello", "Hello": " world", " world": "."}
THINKS = {"<think>": "Zebra", "Zebra": " grazes."}
CHANNEL, MESSAGE = "<|channel|>", "<|message|>"


@dataclass(frozen=True)
class Script:
    """A model's template, and what it writes behind what."""

    template: str
    successors: Mapping[str, str]
    special: tuple[str, ...] = ()


SCRIPTS = {
    "opened by the model": Script(
        LAYOUT, {":": "<think>", **THINKS, " grazes.": "</think>", "</think>": "Hello", **SAID}
    ),
    "opened by the prompt": Script(
        LAYOUT + "<think>", {**THINKS, " grazes.": "</think>", "</think>": "Hello", **SAID}
    ),
    "with a switch": Script(
        SWITCHED, {":": "<think>", **THINKS, " grazes.": "</think>", "</think>": "Hello", **SAID}
    ),
    "with control tokens": Script(
        LAYOUT,
        {":": "[THINK]", "[THINK]": "Zebra", "Zebra": " grazes.", " grazes.": "[/THINK]"}
        | {"[/THINK]": "Hello", **SAID},
        ("[THINK]", "[/THINK]"),
    ),
    "without an end": Script(
        LAYOUT, {":": "<think>", **THINKS, " grazes.": "Zebra", "</think>": "Hello", **SAID}
    ),
    "a thought alone": Script(LAYOUT, {":": "<think>", **THINKS, "</think>": "Hello", **SAID}),
}
ENGINES = ("transformers", "openvino")
COMBINED = (
    *(("transformers", script) for script in SCRIPTS),
    *(("openvino", script) for script in ("opened by the model", "with control tokens")),
)


@dataclass
class Models:
    """Makes the scripted models, and opens engines around them."""

    folder: Path

    @contextmanager
    def opened(self, engine: str, script: str, effort: Effort = Effort.AUTO) -> Iterator[ChatModel]:
        folder = self.folder / script.replace(" ", "-")
        if not folder.is_dir():
            made = SCRIPTS[script]
            save_scripted_model(folder, made.template, made.successors, special=made.special)
            save_tiny_gguf(folder, folder.with_suffix(".gguf"))
        model = folder if engine == "transformers" else folder.with_suffix(".gguf")
        choice = ModelChoice(str(model), "cpu", "auto", self.folder / "cache")
        own = build(engine, choice, EngineOptions(60, 4, 4096), lambda _: None)
        try:
            own.engine.open()
            thinking = Thinking(effort, BUDGET)
            yield chat_model_around(own.engine, own.info, own.engine.limits, thinking)
        finally:
            own.engine.close()


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    return Models(tmp_path_factory.mktemp("scripted"))


def accepted(store: BlockingStore, kind: Kind, task: Task | None = None, **job: object) -> Job:
    """A job that no worker has claimed yet."""
    message = f"{next(NUMBERS)}.5"
    origin = Origin(Platform.SLACK, "T1", "C1", message, message, "U1")
    made = make_job(kind, origin, "Guten Tag, wie geht es Ihnen heute?", task=task)
    made = Job(**{name: getattr(made, name) for name in made.__slots__} | job)
    store.run(lifecycle.accept(made, LIMITS))
    return made


def claimed(store: BlockingStore, job: Job, token: str = "token") -> HeldLease:
    lease = store.run(lifecycle.claim(job.id, Claimant("w1", token, 600_000, 9))).lease
    assert lease
    return HeldLease(lease)


def taken_over(store: BlockingStore, job: Job, thought: ThoughtSoFar, shown: str = "") -> HeldLease:
    """A job whose first run has thought and written so far, and was handed back."""
    first = claimed(store, job, "t1").lease
    store.run(thoughts.keep(job.id, first.token, thought))
    if shown:
        store.run(lifecycle.publish_snapshot(job.id, first.token, Snapshot(shown)))
    store.run(lifecycle.release(job.id, first.token, is_blamed=False))
    return claimed(store, job, "t2")


def answerer(store: BlockingStore, chat_model: ChatModel) -> Answerer:
    return Answerer(store, chat_model, ChatOptions("Be brief.", GREEDY, Remembering(10, 60_000)))


def finish(store: BlockingStore, held: HeldLease, outcome: Outcome) -> Done:
    """What a person reads; the job is over, with all that it leaves."""
    reply = outcome.reply
    assert isinstance(reply, Done), reply
    lease = held.lease
    store.run(lifecycle.finish(lease.job.id, lease.token, reply, outcome.memory))
    return reply


def keys_with(store: BlockingStore, word: str) -> list[str]:
    """The keys whose values have this word."""
    readers: Mapping[bytes, Callable[[bytes], object]] = {
        b"string": store.client.get,
        b"hash": store.client.hgetall,
        b"list": lambda name: store.client.lrange(name, 0, -1),
        b"stream": store.client.xrange,
    }
    found: list[str] = []
    for key in store.client.scan_iter():
        kind: Any = store.client.type(key)
        if word in str(readers.get(kind, store.client.dump)(key)):
            found.append(key.decode())
    return found


@pytest.mark.parametrize(("engine", "script"), COMBINED)
def test_a_thought_is_kept_apart_from_its_answer(
    store: BlockingStore, models: Models, engine: str, script: str
) -> None:
    job = accepted(store, Kind.CHAT)
    held = claimed(store, job)

    with models.opened(engine, script) as chat_model, structlog.testing.capture_logs() as logged:
        outcome = answerer(store, chat_model).answer(held)

    assert finish(store, held, outcome) == Done(ANSWER, has_thought=True)
    thought = store.run(thoughts.read(job.id))
    assert thought is not None
    assert thought.is_over
    assert thought.text.startswith("Zebra")
    assert keys_with(store, "Zebra") == [keys.thought(job.id)]
    assert "Zebra" not in json.dumps(logged, default=str)


@pytest.mark.parametrize(("engine", "script"), COMBINED)
def test_a_channel_that_wants_no_thoughts_has_none(
    store: BlockingStore, models: Models, engine: str, script: str
) -> None:
    job = accepted(store, Kind.CHAT, manner=PromptOverrides(thinking=Effort.OFF))
    held = claimed(store, job)

    with models.opened(engine, script) as chat_model:
        reply = finish(store, held, answerer(store, chat_model).answer(held))

    assert reply.text == ANSWER
    assert not reply.has_thought
    assert not keys_with(store, "Zebra")


TASKS: Mapping[str, tuple[Kind, Task]] = {
    "translation": (Kind.TRANSLATE, Translate("en")),
    "draft": (Kind.WRITE, Write(Form.EMAIL, "", Length.SHORT)),
    "summary": (
        Kind.SUMMARIZE,
        Summarize(
            (Quoted("Ana", "the release is on Friday"), Quoted("Ben", "I test it")), "this channel"
        ),
    ),
}


@pytest.mark.parametrize("name", TASKS)
@pytest.mark.parametrize(
    "script", ["opened by the model", "opened by the prompt", "without an end"]
)
def test_no_task_shows_a_thought(
    store: BlockingStore, models: Models, script: str, name: str
) -> None:
    kind, task = TASKS[name]
    job = accepted(store, kind, task)
    held = claimed(store, job)
    settings = Settings.model_validate({"PARLEY_DEVICE": "cpu", "PARLEY_ANSWER_BY": "writing"})

    with models.opened("transformers", script) as chat_model:
        handlers: Mapping[Kind, Handler] = text_handlers_of(
            settings, store, chat_model, read_library(None)
        )
        reply = finish(store, held, handlers[kind](held))

    assert "Zebra" not in reply.text
    assert "think" not in reply.text
    assert set(keys_with(store, "Zebra")) <= {keys.thought(job.id)}


@pytest.mark.parametrize("engine", ENGINES)
def test_a_job_taken_over_in_its_thought_goes_on_from_there(
    store: BlockingStore, models: Models, engine: str
) -> None:
    job = accepted(store, Kind.CHAT)
    held = taken_over(store, job, ThoughtSoFar("Long ago: Zebra"))

    with models.opened(engine, "opened by the model") as chat_model:
        reply = finish(store, held, answerer(store, chat_model).answer(held))

    assert reply == Done(ANSWER, has_thought=True)
    assert store.run(thoughts.read(job.id)) == ThoughtSoFar(f"Long ago: {THOUGHT}", is_over=True)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_job_taken_over_in_its_answer_goes_on_from_there(
    store: BlockingStore, models: Models, engine: str
) -> None:
    job = accepted(store, Kind.CHAT)
    held = taken_over(store, job, ThoughtSoFar(THOUGHT, is_over=True), "Hello")

    with models.opened(engine, "opened by the model") as chat_model:
        reply = finish(store, held, answerer(store, chat_model).answer(held))

    assert reply == Done(ANSWER, has_thought=True)


def test_thoughts_and_answers_count_in_quotas(store: BlockingStore, models: Models) -> None:
    job = accepted(store, Kind.CHAT)
    held = claimed(store, job)

    with models.opened("transformers", "without an end") as chat_model:
        answerer(store, chat_model).answer(held)
        prompt = chat_model.tokenizer.encode("system: Be brief.", add_special_tokens=False)

    assert held.num_tokens > len(prompt) + BUDGET


@pytest.mark.parametrize(("effort", "has_thought"), [(Effort.HARD, True), (Effort.OFF, False)])
def test_a_message_says_how_long_to_think(
    store: BlockingStore, models: Models, effort: Effort, *, has_thought: bool
) -> None:
    settings = Effort.OFF if has_thought else Effort.ON
    job = accepted(store, Kind.CHAT, effort=effort)
    held = claimed(store, job)

    with models.opened("transformers", "with a switch", settings) as chat_model:
        reply = finish(store, held, answerer(store, chat_model).answer(held))

    assert reply.has_thought == has_thought
    assert reply.finish_reason is FinishReason.STOP


SERVED = {
    "in a field": [stream(text(None, reasoning_content=THOUGHT), text(ANSWER), end(), DONE)],
    "in its other field": [stream(text(None, reasoning=THOUGHT), text(ANSWER), end(), DONE)],
    "in parts": [
        stream(
            text([{"type": "thinking", "thinking": THOUGHT}, {"type": "text", "text": ANSWER}]),
            end(),
            DONE,
        )
    ],
    "in tags": [stream(text(f"<think>{THOUGHT}</th"), text(f"ink>{ANSWER}"), end(), DONE)],
    "in tags that the prompt opens": [
        stream(text(THOUGHT), text("</think>\n\n"), text(ANSWER), end(), DONE)
    ],
    "and nothing else": [
        stream(text(None, reasoning_content=THOUGHT), end("length"), DONE),
        stream(text(ANSWER), end(), DONE),
    ],
    "without an end": [
        stream(*(text(f"{THOUGHT} ") for _ in range(2 * BUDGET)), end("length"), DONE),
        stream(text(ANSWER), end(), DONE),
    ],
}


@pytest.mark.parametrize("replies", SERVED.values(), ids=SERVED)
def test_a_servers_thought_is_kept_apart_from_its_answer(
    store: BlockingStore, replies: list[Reply]
) -> None:
    job = accepted(store, Kind.CHAT)
    held = claimed(store, job)

    with QuirkyServer(replies) as quirky, contextlib.ExitStack() as stack:
        engine = RemoteEngine(Server(f"{quirky.url}/v1", "none", "m", 4096), 60, 4)
        engine.open()
        stack.callback(engine.close)
        chat_model = ChatModel(
            engine,
            PlainTokenizer(),
            engine.limits,
            notation=server_notation(),
            thinking=Thinking(Effort.AUTO, BUDGET),
        )
        reply = finish(store, held, answerer(store, chat_model).answer(held))

    assert (reply.text, reply.has_thought) == (ANSWER, True)
    assert keys_with(store, "Zebra") == [keys.thought(job.id)]
