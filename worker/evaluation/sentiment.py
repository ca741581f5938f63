"""``parley eval sentiment``: ours, VADER and a plain head on frozen MiniLM, on the held-out texts.

Nothing was trained or chosen on them. Also measured: the gain of rating messages in batches.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from worker.engine.encoders.baseline import HEAD_FILE, FrozenEncoder, load_head
from worker.engine.encoders.common import DEFAULT
from worker.evaluation.report import Evaluation, Figure, ReportTable
from worker.sentiment.classifier import DATA, ClassifierChoice, load_classifier, load_plain
from worker.sentiment.corpus import Domain, read_held_out, read_labelled
from worker.sentiment.features import VaderLexicon
from worker.sentiment.ratings import Classifier, Label, labels_of, macro_f1

OWN_TEXTS = "texts"
"""The name of the operator's own texts beside the four domains."""
MODELS = ("parley", "vader", "frozen")
NUM_ALONE = 300
"""The messages that are rated one at a time; all of them would take minutes for the same result."""
ROUNDS = 3
"""The best of so many counts: other programs only ever slow it down."""


@dataclass(frozen=True, slots=True)
class LabelledText:
    """One text with people's label."""

    group: str
    label: Label
    text: str


@dataclass(frozen=True, slots=True)
class Speed:
    """Messages a second."""

    batched: float
    one_at_a_time: float
    alike: float
    """One at a time, by the same prepared model as the batches."""


def held_out_texts() -> list[LabelledText]:
    """The held-out fifth of the rated texts."""
    samples = sorted(read_held_out(), key=lambda sample: list(Domain).index(sample.domain))
    return [LabelledText(each.domain, each.label, each.text) for each in samples]


def own_texts(file: Path) -> list[LabelledText]:
    """The operator's own texts; raises as ``read_labelled``."""
    return [LabelledText(OWN_TEXTS, label, text) for label, text in read_labelled(file)]


def evaluate_sentiment(
    choice: ClassifierChoice, texts: Sequence[LabelledText], num_alone: int = NUM_ALONE
) -> Evaluation:
    """Measure the chosen model and the two baselines.

    Args:
        choice: of the model.
        texts: the texts to rate.
        num_alone: how many of them are rated one at a time too.

    Raises:
        ModelUnavailableError: one of the models is missing.
    """
    words = [each.text for each in texts]
    classifier, head = load_classifier(choice), load_head(DATA / HEAD_FILE)
    found = {
        "parley": [rating.label for rating in classifier.rate(words)],
        "vader": [VaderLexicon().label(word) for word in words],
        "frozen": labels_of(head.classes(FrozenEncoder().vectors(words))),
    }
    scores = f1_of(texts, found)
    speed = speed_of(classifier, load_plain(choice), speed_texts(texts), num_alone)
    return Evaluation(
        name="sentiment",
        figures=figures_of(scores, speed),
        tables=tables_of(texts, scores, speed),
        remarks=remarks_of(choice, classifier, speed),
    )


def f1_of(
    texts: Sequence[LabelledText], found: dict[str, list[Label]]
) -> dict[str, dict[str, float]]:
    """Group -> model -> macro-F1."""
    scores: dict[str, dict[str, float]] = {}
    for group in dict.fromkeys(each.group for each in texts):
        places = [place for place, each in enumerate(texts) if each.group == group]
        truth = [texts[place].label for place in places]
        scores[group] = {
            model: macro_f1(truth, [labels[place] for place in places])
            for model, labels in found.items()
        }
    return scores


def speed_texts(texts: Sequence[LabelledText]) -> list[str]:
    """The texts for measuring speed: the tweets among the texts that come with Parley.

    Their length is the nearest to chat messages.
    """
    tweets = [each.text for each in texts if each.group == Domain.TWEETS]
    return tweets or [each.text for each in texts]


def speed_of(
    classifier: Classifier, plain: Classifier, texts: Sequence[str], num_alone: int
) -> Speed:
    """Rate all together, and one after the other; the first calls, which warm up, do not count."""
    few = texts[:num_alone]
    classifier.rate(texts)
    plain.rate(few[:1])

    def alone(model: Classifier) -> Callable[[], object]:
        return lambda: [model.rate([text]) for text in few]

    # Interleaved, so that other load on the machine affects all of them.
    rounds = [
        (
            _seconds(lambda: classifier.rate(texts)),
            _seconds(alone(plain)),
            _seconds(alone(classifier)),
        )
        for _ in range(ROUNDS)
    ]
    together_s, plain_s, alike_s = (min(times) for times in zip(*rounds, strict=True))
    return Speed(len(texts) / together_s, len(few) / plain_s, len(few) / alike_s)


def _seconds(work: Callable[[], object]) -> float:
    started_s = time.perf_counter()
    work()
    return time.perf_counter() - started_s


def figures_of(scores: dict[str, dict[str, float]], speed: Speed) -> dict[str, Figure]:
    """The output of ``--json``. Other people's tools rely on its keys."""
    return {
        "macro_f1": {
            group: {model: round(score, 4) for model, score in by_model.items()}
            for group, by_model in scores.items()
        },
        "messages_per_s": {
            "batched": round(speed.batched, 1),
            "one_at_a_time": round(speed.one_at_a_time, 1),
        },
    }


def tables_of(
    texts: Sequence[LabelledText], scores: dict[str, dict[str, float]], speed: Speed
) -> tuple[ReportTable, ...]:
    """The tables for people."""
    numbers = {group: sum(each.group == group for each in texts) for group in scores}
    quality = ReportTable(
        title="Macro-F1 over positive, neutral and negative",
        columns=("texts", "number", *MODELS),
        rows=tuple(
            (group, f"{numbers[group]:,}", *(f"{by_model[model]:.3f}" for model in MODELS))
            for group, by_model in scores.items()
        ),
    )
    ratio = speed.batched / speed.one_at_a_time
    pace = ReportTable(
        title="Messages a second",
        columns=("how", "messages/s"),
        rows=(
            ("batched", f"{speed.batched:,.0f}"),
            ("one at a time", f"{speed.one_at_a_time:,.0f}"),
            ("ratio", f"{ratio:.1f}"),
        ),
    )
    return quality, pace


def remarks_of(choice: ClassifierChoice, classifier: Classifier, speed: Speed) -> tuple[str, ...]:
    """The remarks on data and method."""
    models = (
        f"parley: {classifier.name}. vader: VADER 3.3.2 with its own boundaries. frozen: a "
        "logistic head on all-MiniLM-L6-v2 as it is, fitted to the same texts as ours."
    )
    if choice.model != DEFAULT:
        return models, "One at a time: one call a message. Batched: by length."
    pace = (
        "One at a time: the weights as they are trained (float32, the adapter beside the layers), "
        "one call a message. Batched: merged, int8 on a processor (bfloat16 on a GPU), by length. "
        f"One at a time with the batched path's own model: {speed.alike:,.0f} messages/s."
    )
    return models, pace
