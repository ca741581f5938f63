"""The comparison of models: each runs in a process of its own, through a bench and every task.

Measures that do not depend on the chat model (retrieval, sentiment) are made once, by the caller,
and shown below.
"""

import dataclasses
import json
import resource
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import psutil

from shared.errors import EngineError, StartupError
from shared.settings import Settings
from shared.tasks import Length
from worker.engine.gguf import DEFAULT_MODEL
from worker.engine.protocol import DEFAULT, Progress, Request, Sampling
from worker.evaluation import checks
from worker.evaluation.chat_model import open_chat_model, write_all
from worker.evaluation.checks import Candidate
from worker.evaluation.report import Evaluation, Figure, ReportTable
from worker.evaluation.translation import (
    by_chat_model,
    evaluate_translation,
    read_examples,
)
from worker.prompts.chat import make_continuation, make_task_prompt
from worker.prompts.library import PromptLibrary, fresh_mark, read_library
from worker.tasks.generate import ChatModel
from worker.tasks.write import TOKENS, rendered_for

NUM_SENTENCES = 10
"""Translated into each language; ``parley eval translation`` uses all."""
BENCH_TOKENS = 64
BENCH_PROMPT = "The history of the port of Hamburg begins with"
MAX_ANSWER_TOKENS = 60
MB = 1_000_000
KIB = 1024
TIMEOUT_S = 600


@dataclass(frozen=True, slots=True)
class MeasuredModels:
    """The models that were measured, and why others were not."""

    candidates: tuple[Candidate, ...]
    failed: Mapping[str, str] = field(default_factory=dict)
    """Model -> sentence."""


def labels_of(models: Sequence[str]) -> dict[str, str]:
    """Model, as it was given -> its name in the report: short, unless others are called so too."""
    short = {model: _short_name(model) for model in models}
    counts = Counter(short.values())
    return {model: name if counts[name] == 1 else model for model, name in short.items()}


def _short_name(model: str) -> str:
    return DEFAULT_MODEL.name if model == DEFAULT else model.rstrip("/").rpartition("/")[2]


def measure_models(models: Sequence[str], progress: Progress) -> MeasuredModels:
    """Measure each model, one after the other.

    Args:
        models: as given, each counted once.
        progress: told which one is measured.

    Raises:
        StartupError: none of them can be measured; the sentence says why.
    """
    labels = labels_of(models)
    candidates: list[Candidate] = []
    failed: dict[str, str] = {}
    for number, (model, label) in enumerate(labels.items(), 1):
        progress(f"Measuring {label} ({number} of {len(labels)})")
        try:
            candidates.append(dataclasses.replace(_measured_apart(model), name=label))
        except StartupError as error:
            progress(str(error))
            failed[label] = str(error)
    if not candidates:
        raise StartupError("None of the models could be measured: see above.")
    return MeasuredModels(tuple(candidates), failed)


def compare(measured: MeasuredModels, alike: Sequence[Evaluation]) -> Evaluation:
    """Compare models and recommend one.

    Args:
        measured: the measurements of each.
        alike: the tasks with the same result for every chat model, measured.
    """
    candidates = measured.candidates
    best = checks.recommended(candidates)
    figures: dict[str, Figure] = {
        "models": {each.name: _figures(each) for each in candidates},
        "failed": dict(measured.failed),
        "recommended": best.name if best else None,
        **{each.name: each.figures for each in alike},
    }
    verdict = f"Recommended: {best.name}." if best else "Recommended: none, all are too slow here."
    table = ReportTable("Models", _COLUMNS, tuple(_row(each) for each in candidates))
    tables = (table, *(shown for each in alike for shown in each.tables))
    missing = (f"Not measured: {label}. {why}" for label, why in measured.failed.items())
    return Evaluation("models", figures, tables, (*missing, verdict, *checks.RULES, *_EXPLAINED))


_EXPLAINED = (
    (
        "reading: share of 10 questions whose passage was read; writing: share of given facts in 5 "
        "drafts, none for one that runs in circles; chrF: 30 sentences, untranslated in brackets."
    ),
    "The other tables do not depend on the chat model: other models of Parley's do that work.",
)
_COLUMNS = (
    *("model", "parameters", "load", "memory", "tokens/s alone", "tokens/s of 8"),
    *("reading", "writing", "chrF"),
)


def _row(each: Candidate) -> tuple[str, ...]:
    return (
        each.name,
        f"{each.millions:.0f} M",
        f"{each.load_s:.1f} s",
        f"{each.peak_mb:.0f} MB",
        f"{each.tokens_per_s_1:.1f}",
        f"{each.tokens_per_s_8:.1f}",
        f"{each.reading:.2f}",
        f"{each.writing:.2f}",
        f"{each.chrf:.1f} ({each.chrf_copy:.1f})",
    )


def _figures(each: Candidate) -> dict[str, Figure]:
    figures: dict[str, Figure] = {
        field.name: getattr(each, field.name)
        for field in dataclasses.fields(each)
        if field.name != "name"
    }
    return {**figures, "can_translate": checks.can_translate(each)}


def _measured_apart(model: str) -> Candidate:
    """Measure a model in a process of its own, so that its memory is the model's."""
    command = [sys.executable, "-m", "worker", "eval", "model", model]
    try:
        run = subprocess.run(  # noqa: S603 - our own module, in this Python
            command, stdout=subprocess.PIPE, text=True, timeout=TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise StartupError(
            f"The model {model} took more than {TIMEOUT_S // 60} minutes: it is too slow here."
        ) from error
    lines = run.stdout.strip().splitlines()
    if run.returncode or not lines:
        raise StartupError(
            f"The model {model} could not be measured (exit code {run.returncode}): see above."
        )
    return Candidate(**json.loads(lines[-1]))


def measure_model(model: str, settings: Settings, progress: Progress) -> Candidate:
    """Load one model and measure it, in this process.

    Args:
        model: as ``PARLEY_MODEL``.
        settings: the operator's.
        progress: told what is measured, as that takes minutes.

    Raises:
        ModelUnavailableError: it cannot be found or read.
        StartupError: it was loaded and then failed.
    """
    try:
        return _measured_here(model, settings, progress)
    except EngineError as error:
        raise StartupError(f"The model {model} failed while it was measured: {error}") from error


def _measured_here(model: str, settings: Settings, progress: Progress) -> Candidate:
    started_s = time.monotonic()
    with open_chat_model(model, settings) as chat_model:
        load_s = time.monotonic() - started_s
        library = read_library(settings.prompts_dir)
        progress("Its speed, alone and of 8")
        alone, together = _speed(chat_model, 1), _speed(chat_model, 8)
        progress("Its translations")
        chrf, chrf_copy = _chrf(chat_model, library)
        progress("What it reads in passages")
        reading = _reading(chat_model, library)
        progress("What it drafts")
        return Candidate(
            name=_short_name(model),
            millions=round(chat_model.num_parameters / MB, 1),
            load_s=round(load_s, 2),
            tokens_per_s_1=alone,
            tokens_per_s_8=together,
            reading=reading,
            writing=_writing(chat_model, library),
            chrf=chrf,
            chrf_copy=chrf_copy,
            peak_mb=round(_peak_bytes() / MB),
        )


def _speed(chat_model: ChatModel, num_requests: int) -> float:
    """Tokens a second of all requests together, after one that warms up."""
    prompt = make_continuation(BENCH_PROMPT, chat_model.tokenizer, chat_model.limits, BENCH_TOKENS)
    write_all(chat_model, [dataclasses.replace(prompt, max_new_tokens=4)])
    started_s = time.monotonic()
    requests = [
        Request(f"bench-{number}", prompt.token_ids, BENCH_TOKENS, Sampling(1.0, 1.0, seed=number))
        for number in range(num_requests)
    ]
    generations = [
        chat_model.engine.submit(request) for request in requests
    ]  # all before any is read
    for generation in generations:
        for _ in generation:
            pass
    num_tokens = sum(generation.num_tokens for generation in generations)
    return round(num_tokens / (time.monotonic() - started_s), 1)


def _chrf(chat_model: ChatModel, library: PromptLibrary) -> tuple[float, float]:
    """Means over languages of the model's score and the untranslated source's."""
    examples = read_examples(None, None)
    languages = dict.fromkeys(example.target for example in examples)
    some = [
        example
        for language in languages
        for example in [each for each in examples if each.target == language][:NUM_SENTENCES]
    ]
    figures = evaluate_translation(some, "", by_chat_model(chat_model, library)).figures
    scores = json.loads(json.dumps(figures["chrf"])).values()
    return tuple(
        round(sum(score[who] for score in scores) / len(scores), 2) for who in ("parley", "copy")
    )


def _reading(chat_model: ChatModel, library: PromptLibrary) -> float:
    mark = fresh_mark()
    prompts = [
        make_task_prompt(
            library.render(
                "answer", passages=f"[1] {each.passage}", question=each.question, mark=mark
            ),
            chat_model.tokenizer,
            chat_model.limits,
            MAX_ANSWER_TOKENS,
            chat_model.terms_of_tasks,
        )
        for each in checks.READINGS
    ]
    answers = write_all(chat_model, prompts)
    read = [checks.is_read(a, each) for a, each in zip(answers, checks.READINGS, strict=True)]
    return round(sum(read) / len(read), 2)


def _writing(chat_model: ChatModel, library: PromptLibrary) -> float:
    prompts = [
        make_task_prompt(
            rendered_for(each.task, each.about, library, ""),
            chat_model.tokenizer,
            chat_model.limits,
            TOKENS[Length.SHORT],
            chat_model.terms_of_tasks,
        )
        for each in checks.DRAFTINGS
    ]
    drafts = write_all(chat_model, prompts)
    shares = [
        0.0 if checks.runs_in_circles(draft) else checks.share_of_facts(draft, each.facts)
        for draft, each in zip(drafts, checks.DRAFTINGS, strict=True)
    ]
    return round(sum(shares) / len(shares), 2)


def _peak_bytes() -> int:
    """The most memory that this process has had, and what its engine's process has now.

    An engine's process allocates its cache at its start. Linux counts in KiB, macOS in bytes.
    """
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    children = psutil.Process().children(recursive=True)
    in_engine = sum(int(child.memory_info().rss) for child in children)
    return in_engine + (peak if sys.platform == "darwin" else peak * KIB)
