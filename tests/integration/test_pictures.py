"""Pictures in transformers' engine: real architectures with random weights, and real processors."""

import base64
import dataclasses
import itertools
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import structlog
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoTokenizer

from shared.errors import PromptTooLongError, UnreadablePictureError
from shared.jobs import Attachment, Job, Kind, Origin, Platform, make_job
from shared.ledger import lifecycle
from shared.ledger.lifecycle import Claimant, JobLimits
from shared.replies import Done
from shared.settings import read_settings
from tests.chaos.forward_passes import Reader
from tests.fakes.tiny_model import save_tiny_model, speak_ascii
from worker import doctor
from worker.chat_model import chat_model_of
from worker.engine.description.model import describe
from worker.engine.engine import BatchingEngine, EngineOptions
from worker.engine.factory import TRANSFORMERS, OwnEngine, build
from worker.engine.pictures import as_png_url, decode_url
from worker.engine.protocol import GREEDY, ModelChoice, Request, RequestLimits
from worker.engine.transformers_engine.baseline import written_alone
from worker.engine.transformers_engine.batches import proven_batches
from worker.engine.transformers_engine.loader import LoadedModel, load_model
from worker.engine.transformers_engine.picture_batches import PictureBatch, PictureBatches
from worker.engine.transformers_engine.simple_batch import SimpleBatches
from worker.engine.transformers_engine.vision_models import VISION_FAMILIES, save_vision_model
from worker.evaluation.families import AT_ONCE, MANAGER, REFUSED, try_family
from worker.knowledge.reader_pool import ReaderPool
from worker.leases import HeldLease
from worker.prompts.chat import Prompt, PromptInput, make_prompt
from worker.store import BlockingStore
from worker.tasks.attachments import AttachmentReader
from worker.tasks.chat import Answerer, ChatOptions
from worker.tasks.generate import ChatModel
from worker.tasks.memory import Remembering

NEW_TOKENS = 20
BY_NAME = {family.name: family for family in VISION_FAMILIES}
NUMBERS = itertools.count(1)


def shown(color: str, size: tuple[int, int] = (60, 80)) -> str:
    return as_png_url(Image.new("RGB", size, color))


@pytest.mark.parametrize("name", ["Gemma 3 with pictures", "Idefics3, SmolVLM"])
def test_a_family_that_sees_writes_at_once_what_it_writes_alone(name: str) -> None:
    result = try_family(BY_NAME[name])

    assert (result.way, result.num_same, result.sentence) == (MANAGER, AT_ONCE, "")
    assert result.sees


@pytest.mark.parametrize(
    "family", [one for one in VISION_FAMILIES if one.missing], ids=lambda one: one.missing
)
def test_a_processor_that_misses_a_package_is_told_in_a_sentence(family: object) -> None:
    result = try_family(family)  # type: ignore[arg-type]

    assert result.way == REFUSED
    assert result.sentence.startswith("It sees no pictures here: its processor cannot be loaded: ")
    assert family.missing in result.sentence.lower()  # type: ignore[attr-defined]
    assert "\n" not in result.sentence


# one of them, looked at closely


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its positions have three dimensions, and it keeps their offset in the model itself."""
    made = save_vision_model(BY_NAME["Qwen2-VL"], tmp_path_factory.mktemp("models") / "qwen2-vl")
    model: Any = AutoModelForImageTextToText.from_pretrained(made)
    tokenizer: Any = AutoTokenizer.from_pretrained(made)
    speak_ascii(model.lm_head, tokenizer, ends=False)
    model.save_pretrained(made)
    return made


@pytest.fixture(scope="module")
def own(folder: Path) -> Iterator[OwnEngine]:
    own = build(
        TRANSFORMERS,
        ModelChoice(str(folder), "cpu", "float64", folder, reads_pictures=True),
        EngineOptions(NEW_TOKENS, 4, 4096),
        lambda _: None,
    )
    own.engine.open()
    yield own
    own.engine.close()


@pytest.fixture(scope="module")
def loaded(folder: Path) -> LoadedModel:
    return load_model(ModelChoice(str(folder), "cpu", "float64", folder), lambda _: None)


def prompt(own: OwnEngine, text: str, *pictures: str, shown: str = "") -> Prompt:
    question = PromptInput("You see.", (), text, shown, pictures)
    return make_prompt(question, own.info.tokenizer, own.engine.limits, reader=own.reader)


def request(name: str, asked: Prompt, longest: int = NEW_TOKENS) -> Request:
    return Request(name, asked.token_ids, longest, GREEDY, inputs=asked.inputs)


def written(own: OwnEngine, prompts: Sequence[Prompt]) -> list[str]:
    name = next(NUMBERS)
    readers = [
        Reader(own.engine.submit(request(f"{name}-{at}", one))) for at, one in enumerate(prompts)
    ]
    return [reader.wait().text for reader in readers]


def alone(loaded: LoadedModel, asked: Prompt) -> str:
    return written_alone(loaded, asked.token_ids, NEW_TOKENS, asked.inputs)


def test_answers_about_pictures_are_those_of_generate_beside_others(
    own: OwnEngine, loaded: LoadedModel
) -> None:
    prompts = [
        prompt(own, "What is it?", shown("red")),
        prompt(own, "What is it?", shown("blue")),
        prompt(own, "What are they?", shown("red"), shown("green", (200, 90))),
        prompt(own, "What are they?", shown("green", (200, 90)), shown("red")),
        prompt(own, "What is it?"),
        prompt(own, "And what is that, which is asked with many words?", shown("red", (1, 1))),
        prompt(own, "Hello."),
    ]

    together = written(own, prompts)

    assert isinstance(own.engine, BatchingEngine)
    assert isinstance(own.engine.batches, PictureBatches)
    assert together == [alone(loaded, one) for one in prompts]
    assert len(set(together[:5])) == 5, "each picture, their number and their order matter"


def test_a_picture_takes_tokens_and_what_does_not_fit_is_said(own: OwnEngine) -> None:
    assert own.reader
    plain, seen = prompt(own, "Hm?"), prompt(own, "Hm?", shown("red"))
    many = [shown("red", (700, 700))] * 5

    assert len(seen.token_ids) > len(plain.token_ids)
    assert seen.max_new_tokens == NEW_TOKENS
    with pytest.raises(PromptTooLongError, match=r"Your message with its pictures is [0-9,]+ tok"):
        make_prompt(
            PromptInput("", (), "Hm?", "", tuple(many)),
            own.info.tokenizer,
            RequestLimits(200, 20),
            reader=own.reader,
        )


def test_who_writes_a_picture_s_mark_shows_none(own: OwnEngine, loaded: LoadedModel) -> None:
    assert own.reader
    for mark in own.reader.marks:
        asked = prompt(own, f"{mark} is what?", shown("red"))
        (text,) = written(own, [asked])
        assert text == alone(loaded, asked)
        bare = prompt(own, f"{mark} is what?")
        assert own.info.tokenizer.encode(mark, add_special_tokens=False)[0] not in bare.token_ids


def test_an_answer_that_goes_on_in_another_run_is_the_same(
    own: OwnEngine, loaded: LoadedModel
) -> None:
    first = prompt(own, "What is it?", shown("red"))
    tokens = own.info.tokenizer.encode("It is", add_special_tokens=False)
    more = dataclasses.replace(first, token_ids=(*first.token_ids, *tokens))
    whole = prompt(own, "What is it?", shown("red"), shown="It is")

    assert more.token_ids == whole.token_ids
    assert written(own, [more]) == written(own, [whole]) == [alone(loaded, whole)]


def test_an_answer_about_a_picture_outlives_its_batch(own: OwnEngine, loaded: LoadedModel) -> None:
    engine = own.engine
    assert isinstance(engine, BatchingEngine)
    asked, other = prompt(own, "What is it?", shown("blue")), prompt(own, "What else?")
    beside = Reader(engine.submit(request("beside", other)))
    pieces = iter(engine.submit(request("broken", asked)))
    begun = next(pieces)
    first = engine._batch
    assert isinstance(first, PictureBatch)

    def fail_once(*_: object) -> None:
        handle.remove()
        raise RuntimeError("of a step")

    handle = first._pictures._model.register_forward_pre_hook(fail_once)
    text = begun + "".join(pieces)

    assert text == alone(loaded, asked)
    assert beside.wait().text == alone(loaded, other)
    assert engine._batch is not first


def test_a_model_that_cannot_be_copied_runs_in_the_simple_batch(folder: Path) -> None:
    loaded = load_model(ModelChoice(str(folder), "cpu", "float64", folder), lambda _: None)
    options = EngineOptions(NEW_TOKENS, 4, 4096)

    assert isinstance(proven_batches(loaded, options, sees=True), PictureBatches)
    model: Any = loaded.model
    model.part = threading.Lock()
    assert isinstance(proven_batches(loaded, options, sees=True), SimpleBatches)


def test_an_answer_about_a_picture_is_cancelled(own: OwnEngine) -> None:
    asked = prompt(own, "What is it?", shown("red"))
    generation = own.engine.submit(request("gone", asked, 1500))
    pieces = iter(generation)
    next(pieces)

    own.engine.cancel("gone")

    assert len("".join(pieces)) < 1000
    assert generation.finish_reason is None
    assert own.engine.num_running == 0


def test_a_picture_that_cannot_be_shown_is_refused(own: OwnEngine) -> None:
    damaged = "data:image/png;base64," + base64.b64encode(b"\x89PNG\r\n\x1a\n?").decode()

    with pytest.raises(UnreadablePictureError, match="The picture is damaged"):
        prompt(own, "What is it?", damaged)


# a worker with such a model, and one with a model that does not see


def settings_of(model: Path, **more: str) -> dict[str, str]:
    return {
        "PARLEY_MODEL": str(model),
        "PARLEY_ENGINE": "transformers",
        "PARLEY_DEVICE": "cpu",
        "PARLEY_DTYPE": "float64",
        "PARLEY_READ_PICTURES": "1",
        "PARLEY_MAX_NEW_TOKENS": str(NEW_TOKENS),
        "PARLEY_CACHE_TOKENS": "4096",
        **more,
    }


def answered(
    store: BlockingStore, chat_model: ChatModel, readers: ReaderPool, *pictures: str, text: str
) -> str:
    """What a person reads who asks with these pictures."""
    number = next(NUMBERS)
    attachments = tuple(
        Attachment(f"{at}.png", url.partition(",")[2]) for at, url in enumerate(pictures)
    )
    origin = Origin(Platform.SLACK, "T1", "C1", f"c{number}", f"m{number}", "U1")
    job: Job = make_job(Kind.CHAT, origin, text)
    job = dataclasses.replace(job, attachments=attachments)
    store.run(lifecycle.accept(job, JobLimits(deadline_ms=600_000, retention_ms=600_000)))
    lease = store.run(lifecycle.claim(job.id, Claimant("w1", f"t{number}", 600_000, 9))).lease
    assert lease
    answerer = Answerer(store, chat_model, ChatOptions("", GREEDY, Remembering(10, 60_000)))
    reading = AttachmentReader(chat_model.tokenizer, chat_model.limits, readers, 10)
    handler = reading.before(answerer.answer, is_shown_pictures=chat_model.can_see)
    outcome = handler(HeldLease(lease))
    assert isinstance(outcome.reply, Done), outcome.reply
    store.run(lifecycle.finish(lease.job.id, lease.token, outcome.reply, outcome.memory))
    return outcome.reply.text


def test_a_worker_shows_attached_pictures_to_its_model(
    store: BlockingStore, folder: Path, readers: ReaderPool
) -> None:
    settings = read_settings(settings_of(folder))
    damaged = "data:image/png;base64," + base64.b64encode(b"\x89PNG\r\n\x1a\n?").decode()
    with chat_model_of(settings, 120, lambda: None) as (_, chat_model):
        assert chat_model.can_see
        red, blue, again = (
            answered(store, chat_model, readers, shown(color), text="What is it?")
            for color in ("red", "blue", "red")
        )
        spoiled = answered(store, chat_model, readers, shown("red"), damaged, text="What is it?")

    assert red == again != blue
    assert spoiled == f"{red}\n\n*(The picture 1.png is damaged, so I left it out.)*"


def test_a_model_that_does_not_see_says_so_once_and_each_answer_too(
    store: BlockingStore, tmp_path: Path, readers: ReaderPool
) -> None:
    model = save_tiny_model(tmp_path / "blind", ends=False)
    with structlog.testing.capture_logs() as logs:
        settings = read_settings(settings_of(model))
        with chat_model_of(settings, 120, lambda: None) as (_, chat_model):
            assert not chat_model.can_see
            text = answered(store, chat_model, readers, shown("red"), text="What is it?")

    (line,) = [line for line in logs if line["event"] == "pictures_not_seen"]
    assert line["reason"] == "it was made for text alone"
    assert text.endswith("*(I cannot see pictures here, so I left 0.png out.)*")


@pytest.mark.parametrize(
    ("is_seeing", "said"),
    [
        (True, "seen by qwen2-vl on transformers"),
        (False, "blind sees none on transformers (it was made for text alone); answers say so"),
    ],
)
def test_doctor_says_whether_the_model_sees(
    folder: Path, tmp_path: Path, *, is_seeing: bool, said: str
) -> None:
    model = folder if is_seeing else save_tiny_model(tmp_path / "blind")

    settings = read_settings(settings_of(model))
    _, pictures = doctor._check_model(settings)

    assert describe(settings, lambda _: None).sees is is_seeing
    assert pictures.name == "pictures"
    assert pictures.passed is (True if is_seeing else None)
    assert said in pictures.finding


def test_a_large_picture_is_made_smaller_for_a_processor(own: OwnEngine) -> None:
    assert decode_url(shown("red", (3000, 2000)), 768).size == (768, 512)
    small, large = (
        len(prompt(own, "Hm?", shown("red", size)).token_ids) for size in ((768, 512), (3000, 2000))
    )
    assert small == large
