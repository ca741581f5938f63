"""Translations, summaries, drafts and completions: real Redis, real engine, small real models."""

import itertools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import MarianConfig, MarianMTModel

from shared.errors import ModelUnavailableError, TranslationPairError
from shared.jobs import Audience, Kind, Origin, Platform, PromptOverrides, make_job
from shared.ledger import keys, lifecycle
from shared.ledger.lifecycle import Claimant, JobLimits
from shared.replies import Done, Failed, FinishReason
from shared.settings import Settings
from shared.tasks import Complete, Form, Length, Opt, Quoted, Summarize, Task, Translate, Write
from tests.chaos.forward_passes import load
from tests.fakes.tiny_model import make_tokenizer, save_tiny_model
from worker.engine.engine import EngineOptions
from worker.engine.factory import around
from worker.engine.protocol import GREEDY
from worker.engine.seq2seq import Pair, load_seq2seq
from worker.handler import Handler, Outcome
from worker.handlers import text_handlers_of
from worker.leases import HeldLease
from worker.prompts.library import read_library
from worker.store import BlockingStore
from worker.tasks.chat import Answerer, ChatOptions
from worker.tasks.generate import ChatModel
from worker.tasks.memory import Remembering

LIMITS = JobLimits(deadline_ms=600_000, retention_ms=600_000)
NUMBERS = itertools.count(1)
SMALL, LARGE = 135_000_000, 7_000_000_000
MESSAGES = tuple(
    Quoted(author, text, f"https://example.org/{number}")
    for number, (author, text) in enumerate(
        [
            ("Ana", "the release of the search service is on Friday"),
            ("Ben", "ok"),
            ("Cem", "I will test the search service before the release"),
            ("Ana", "lunch?"),
        ]
    )
)


@pytest.fixture(scope="module")
def chat_model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChatModel]:
    loaded = load(save_tiny_model(tmp_path_factory.mktemp("models") / "endless", ends=False))
    engine = around(loaded, EngineOptions(120, 4, 8192))
    try:
        engine.open()
        yield ChatModel(engine, loaded.tokenizer, engine.limits, SMALL)
    finally:
        engine.close()


@pytest.fixture(scope="module")
def seq2seq(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Marian model with random weights and a byte tokenizer, in safetensors."""
    folder = tmp_path_factory.mktemp("models") / "marian"
    tokenizer = make_tokenizer(has_template=False)
    tokenizer.pad_token = tokenizer.eos_token
    tokenizer.save_pretrained(folder)
    torch.manual_seed(3)
    config = MarianConfig(
        vocab_size=len(tokenizer),
        d_model=32,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=32,
        decoder_ffn_dim=32,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        decoder_start_token_id=tokenizer.pad_token_id,
        forced_eos_token_id=tokenizer.eos_token_id,
    )
    MarianMTModel(config).save_pretrained(folder, safe_serialization=True)
    return folder


def works(store: BlockingStore, chat_model: ChatModel, **settings: object) -> dict[Kind, Handler]:
    chosen = Settings.model_validate({"PARLEY_TEMPERATURE": 0, "PARLEY_DEVICE": "cpu", **settings})
    return text_handlers_of(chosen, store, chat_model, read_library(None))


def held(store: BlockingStore, text: str, task: Task, act: str = "") -> HeldLease:
    """A job that a worker has in hand."""
    kind = Kind(task.type)
    message = f"{next(NUMBERS)}.5"
    origin = Origin(Platform.SLACK, "T1", "C1", message, message, "U1", act)
    job = make_job(kind, origin, text, task=task)
    store.run(lifecycle.accept(job, LIMITS))
    lease = store.run(lifecycle.claim(job.id, Claimant("w1", "token", 600_000, 9))).lease
    assert lease
    return HeldLease(lease)


def done(outcome: Outcome) -> str:
    assert isinstance(outcome.reply, Done), outcome.reply
    return outcome.reply.text


ENGLISH = (
    "Please come to the meeting with <@U7> at the office tomorrow 🎉 and bring `notes.md` along."
)


def test_a_translation_keeps_what_is_kept_and_warns_of_a_small_model(
    store: BlockingStore, chat_model: ChatModel
) -> None:
    outcome = works(store, chat_model)[Kind.TRANSLATE](held(store, ENGLISH, Translate("fr")))

    text = done(outcome)
    assert [text.count(thing) for thing in ("<@U7>", "🎉", "`notes.md`")] == [1, 1, 1]
    assert "meeting" not in text
    assert "_A small model (135 million parameters) wrote this translation" in text
    assert outcome.memory.turns[0].text == f"Translate into French: {ENGLISH}"


def test_a_translation_of_a_command_is_no_part_of_the_conversation(
    store: BlockingStore, chat_model: ChatModel
) -> None:
    outcome = works(store, chat_model)[Kind.TRANSLATE](
        held(store, ENGLISH, Translate("fr"), "command:1")
    )

    assert outcome.memory.turns == ()


@pytest.mark.parametrize(
    ("text", "reply"),
    [
        (ENGLISH, Done("This is in English already.")),
        ("🎉 123", Failed("no_words", "There is nothing to translate in that: no words.")),
    ],
)
def test_what_needs_no_translation_gets_a_sentence(
    store: BlockingStore, chat_model: ChatModel, text: str, reply: Done | Failed
) -> None:
    assert (
        works(store, chat_model)[Kind.TRANSLATE](held(store, text, Translate("en"))).reply == reply
    )


def test_a_translation_model_takes_the_chat_models_place(
    store: BlockingStore, chat_model: ChatModel, seq2seq: Path
) -> None:
    task = works(store, chat_model, PARLEY_TRANSLATION_MODEL=str(seq2seq))[Kind.TRANSLATE]

    text = done(task(held(store, f"{ENGLISH}\n\n```\ncode stays\n```", Translate("fr"))))

    assert text.endswith("```\ncode stays\n```")
    assert [text.count(thing) for thing in ("<@U7>", "🎉", "`notes.md`")] == [1, 1, 1]
    assert "small model" not in text


def test_a_batch_of_sentences_is_translated_as_one_by_one(seq2seq: Path) -> None:
    model = load_seq2seq(str(seq2seq), "cpu")
    model._model.double()  # where rounding decides no tie between two tokens
    sentences = ["one", "two and three", "a much longer sentence than the others"]
    pair = Pair("en", "fr")

    together = model.translate(sentences, pair)

    alone = [model.translate([sentence], pair)[0] for sentence in sentences]
    # This model never ends, and how long it may go on is said of the batch as a whole.
    assert all(whole.startswith(part) for whole, part in zip(together, alone, strict=True))
    assert min(map(len, alone)) > 10
    assert model.translate(sentences, pair, is_over=lambda: True) == []


def test_a_sentence_that_is_too_long_for_the_model_is_translated_in_parts(seq2seq: Path) -> None:
    model = load_seq2seq(str(seq2seq), "cpu")

    assert [len(part) for part in model._cut("x " * 210)] == [211, 207]
    assert model._cut("short") == ["short"]


def test_a_model_of_one_pair_refuses_another(seq2seq: Path) -> None:
    model = load_seq2seq(str(seq2seq), "cpu")
    model._tokenizer.target_lang = "fra"  # as a Marian tokenizer has it

    with pytest.raises(TranslationPairError, match="does not translate into German"):
        model.translate(["one"], Pair("en", "de"))
    assert len(model.translate(["one"], Pair("en", "fr"))) == 1


def test_a_folder_without_a_translation_model_ends_the_start_with_a_sentence(
    tmp_path: Path,
) -> None:
    with pytest.raises(ModelUnavailableError, match="PARLEY_TRANSLATION_MODEL takes"):
        load_seq2seq(str(tmp_path), "cpu")


def test_a_small_models_summary_quotes_the_central_messages_with_their_links(
    store: BlockingStore, chat_model: ChatModel
) -> None:
    task = Summarize(MESSAGES, "this thread")

    outcome = works(store, chat_model)[Kind.SUMMARIZE](held(store, "", task))

    assert done(outcome) == (
        "**Summary of this thread** (4 messages)\n"
        "- “the release of the search service is on Friday” ([Ana](https://example.org/0))\n"
        "- “I will test the search service before the release” ([Cem](https://example.org/2))"
    )
    assert outcome.memory.turns == ()


def test_a_summary_whose_points_name_no_message_quotes_instead(
    store: BlockingStore, chat_model: ChatModel
) -> None:
    """The small model writes letters alone: none of its points can be looked up."""
    task = Summarize(MESSAGES * 60, "the last 4 hours")  # more than fits into one prompt

    writing = works(store, chat_model, PARLEY_ANSWER_BY="writing")[Kind.SUMMARIZE]

    text = done(writing(held(store, "", task)))
    assert text.startswith("**Summary of the last 4 hours** (240 messages)\n- “")


def test_a_draft_is_written_and_remembered(store: BlockingStore, chat_model: ChatModel) -> None:
    task = Write(Form.EMAIL, "friendly", Length.SHORT)

    outcome = works(store, chat_model)[Kind.WRITE](held(store, "the party", task))

    assert len(done(outcome)) > 50
    assert outcome.memory.turns[0].text == "Write an email about: the party"


def test_the_model_is_told_the_channels_language_for_a_draft(
    store: BlockingStore, chat_model: ChatModel
) -> None:
    write = works(store, chat_model)[Kind.WRITE]

    def drafted(manner: PromptOverrides | None) -> str:
        task = held(store, "the release on Friday", Write(Form.EMAIL, "", Length.SHORT))
        task.lease = replace(task.lease, job=replace(task.lease.job, manner=manner))
        return done(write(task))

    assert drafted(None) == drafted(PromptOverrides(system_prompt="not for drafts"))
    assert drafted(None) != drafted(PromptOverrides(language="fr"))


def test_a_reply_is_drafted_to_a_message(store: BlockingStore, chat_model: ChatModel) -> None:
    task = Write(Form.REPLY, length=Length.SHORT, reply_to=MESSAGES[0])

    assert len(done(works(store, chat_model)[Kind.WRITE](held(store, "", task, "menu:1")))) > 50


def test_a_completion_goes_on_with_the_text_and_the_same_with_the_same_seed(
    store: BlockingStore, chat_model: ChatModel
) -> None:
    complete = works(store, chat_model)[Kind.COMPLETE]
    seeded, other = Complete(2.0, 0.95, 50, 7), Complete(2.0, 0.95, 50, 8)

    texts = [
        done(complete(held(store, "Once upon a time", task))) for task in (seeded, seeded, other)
    ]

    assert texts[0] == texts[1] != texts[2]
    assert all(text.startswith("Once upon a time") for text in texts)
    assert len(texts[0]) == len("Once upon a time") + 50  # a byte is a token


def test_who_opts_out_is_noted_for_the_whole_workspace(
    store: BlockingStore, chat_model: ChatModel
) -> None:
    opt = works(store, chat_model)[Kind.OPT]
    people = keys.opted_out("slack:T1")

    assert "left out of summaries" in done(opt(held(store, "", Opt(is_out=True))))
    assert store.client.smembers(people) == {b"U1"}
    assert "count in summaries" in done(opt(held(store, "", Opt(is_out=False))))
    assert store.client.smembers(people) == set()


def test_nothing_that_one_person_alone_sees_is_remembered(
    store: BlockingStore, chat_model: ChatModel
) -> None:
    private = held(store, ENGLISH, Translate("fr"))
    origin = replace(private.lease.job.origin, audience=Audience.ASKER)
    lease = replace(private.lease, job=replace(private.lease.job, origin=origin))

    assert works(store, chat_model)[Kind.TRANSLATE](HeldLease(lease)).memory.turns == ()


@pytest.mark.parametrize("num_shown", [1, 119, 120, 121])
def test_an_answer_taken_over_is_as_long_as_if_it_had_not_been(
    store: BlockingStore, chat_model: ChatModel, num_shown: int
) -> None:
    """An earlier run may have written the whole answer, and died before it could say so."""
    remembering = Remembering(max_turns=9, retention_ms=600_000)
    answerer = Answerer(store, chat_model, ChatOptions("Be brief.", GREEDY, remembering))
    origin = Origin(Platform.SLACK, "T1", "C1", f"{next(NUMBERS)}.6", "9.6", "U1")
    job = make_job(Kind.CHAT, origin, "hello")
    store.run(lifecycle.accept(job, LIMITS))
    lease = store.run(lifecycle.claim(job.id, Claimant("w1", "token", 600_000, 9))).lease
    assert lease

    outcome = answerer.answer(HeldLease(replace(lease, shown="x" * num_shown)))

    assert isinstance(outcome.reply, Done)
    assert outcome.reply.finish_reason is FinishReason.LENGTH
    assert len(outcome.reply.text) == max(num_shown, 120)
