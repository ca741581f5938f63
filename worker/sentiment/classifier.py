"""The sentiment models: ours, or any sequence classification model.

Texts in, ratings out. ``worker.engine.encoders`` runs them; it knows scores and classes and
nothing of sentiment. torch is imported only where it computes: ours on a GPU, and any other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from shared.errors import ModelUnavailableError
from worker.engine.encoders.common import DEFAULT
from worker.engine.encoders.compiled_classifier import ADAPTER_FILE, load_compiled_classifier
from worker.engine.encoders.files import is_compiled_on
from worker.sentiment.cleaning import clean
from worker.sentiment.features import VaderLexicon, cues_of
from worker.sentiment.ratings import (
    Boundaries,
    Classifier,
    Rating,
    likeliest,
    rating_of,
    score_of,
    values_of,
)

if TYPE_CHECKING:
    from worker.engine.encoders.classifier import ForeignClassifier

SETTING = "PARLEY_SENTIMENT_MODEL"
DATA = Path(__file__).parent / "data"
"""Written by ``parley train sentiment``; comes with Parley."""
CLEAR_FOREIGN = 3.2
"""A model that is not calibrated on the scale must be sure: 0.9 for one class, 0.1 for another."""


@dataclass(frozen=True, slots=True)
class ClassifierChoice:
    """The choice of model and device, as in the settings."""

    cache_dir: Path
    model: str = DEFAULT
    device: str = "auto"


def load_classifier(choice: ClassifierChoice) -> Classifier:
    """Load the chosen model.

    Raises:
        ModelUnavailableError: it cannot be found or read, or its classes are no sentiments.
    """
    trained = Path(choice.model).expanduser() / ADAPTER_FILE
    is_ours = choice.model == DEFAULT or trained.is_file()
    weights = DATA / ADAPTER_FILE if choice.model == DEFAULT else trained
    if is_ours and is_compiled_on(choice.device):
        return _ours(*load_compiled_classifier(weights, choice.cache_dir))
    from worker.engine.encoders import classifier as on_torch  # noqa: PLC0415 - seconds of import

    if is_ours:
        return _ours(*on_torch.load_adapted_classifier(weights, choice.device))
    return _foreign(on_torch.load_foreign_classifier(choice.model, choice.device, SETTING))


def load_plain(choice: ClassifierChoice) -> Classifier:
    """Load the same model without its optimisations, to measure their gain.

    Ours is as it was trained: float32, the adapter beside the layers. Raises as
    ``load_classifier``.
    """
    if choice.model != DEFAULT:
        return load_classifier(choice)
    from worker.engine.encoders import classifier as on_torch  # noqa: PLC0415 - as above

    weights = DATA / ADAPTER_FILE
    return _ours(*on_torch.load_adapted_classifier(weights, choice.device, is_plain=True))


class ScoringModel(Protocol):
    """Our model, on OpenVINO or torch."""

    def scores(self, texts: Sequence[str], cues: Sequence[Sequence[float]]) -> list[float]:
        """The score of each text, in their order."""
        ...


class OurSentimentClassifier:
    """Our model: the adapted encoder, with VADER's cues as further inputs."""

    name = "all-MiniLM-L6-v2 with Parley's adapter"

    def __init__(self, model: ScoringModel, lexicon: VaderLexicon, boundaries: Boundaries) -> None:
        self._model = model
        self._lexicon = lexicon
        self._boundaries = boundaries

    def rate(self, texts: Sequence[str]) -> list[Rating]:
        """A rating for each text, in their order."""
        return [rating_of(score, self._boundaries) for score in self.scores(texts)]

    def scores(self, texts: Sequence[str]) -> list[float]:
        """The predicted mean of people's ratings of each text, from -4 to 4 or a little beyond."""
        read = [readable(self._lexicon, text) for text in texts]
        return self._model.scores(read, cues_of(self._lexicon, texts))


def readable(lexicon: VaderLexicon, text: str) -> str:
    """The input of our model's tokenizer for a text."""
    return lexicon.with_words_for_emoji(clean(text))


def _ours(model: ScoringModel, notes: Mapping[str, str]) -> OurSentimentClassifier:
    boundaries = Boundaries(*(float(notes[name]) for name in ("negative", "positive", "clear")))
    return OurSentimentClassifier(model, VaderLexicon(), boundaries)


class ForeignSentimentClassifier:
    """A third-party sequence classification model whose classes are sentiments."""

    def __init__(self, model: "ForeignClassifier", values: tuple[float, ...]) -> None:
        """``values``: the position of each class on the scale."""
        self.name = model.name
        self._model = model
        self._values = values
        self._boundaries = Boundaries(clear=CLEAR_FOREIGN)

    def rate(self, texts: Sequence[str]) -> list[Rating]:
        """A rating for each text, in their order."""
        return [self._rating(found) for found in self._model.probabilities(texts)]

    def _rating(self, probabilities: Sequence[float]) -> Rating:
        rating = rating_of(score_of(probabilities, self._values), self._boundaries)
        has_neutral = any(value == 0 for value in self._values)
        if not has_neutral:
            return rating
        label = likeliest(probabilities, self._values)
        is_clear = rating.is_clear and rating.label is label
        return Rating(rating.score, label, is_clear)


def _foreign(model: "ForeignClassifier") -> ForeignSentimentClassifier:
    values = values_of(model.class_names)
    if values is None:
        listed = ", ".join(model.class_names[number] for number in sorted(model.class_names))
        raise ModelUnavailableError(
            f"{SETTING} names {model.name}, whose classes are called {listed}: Parley needs names "
            "such as positive, neutral and negative, or 1 star to 5 stars. Give it a model whose "
            "config.json names them so under id2label."
        )
    return ForeignSentimentClassifier(model, values)
