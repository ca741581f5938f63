"""The factory of engines in this process: a model of the settings, and the batches that compute it.

``PARLEY_ENGINE`` names the library; with ``auto`` the model decides.
"""

from collections.abc import Callable
from dataclasses import dataclass

from worker.engine.batch import Batches
from worker.engine.engine import BatchingEngine, EngineOptions
from worker.engine.loader import LoadedModel, ModelChoice, load_model
from worker.engine.protocol import ModelInfo, Progress
from worker.engine.transformers_batch import TransformersBatches

AUTO = "auto"


def transformers_batches(loaded: LoadedModel, options: EngineOptions) -> Batches:
    """Batches of transformers' manager, for any device."""
    return TransformersBatches(loaded, options.max_requests, options.cache_tokens)


BATCHES: dict[str, Callable[[LoadedModel, EngineOptions], Batches]] = {
    "transformers": transformers_batches,
}
"""By the values of ``PARLEY_ENGINE``."""


def around(
    loaded: LoadedModel, options: EngineOptions, kind: str = "transformers"
) -> BatchingEngine:
    """An engine around a loaded model, not open yet.

    Raises:
        ModelUnavailableError: such a batch cannot compute this model.
    """
    return BatchingEngine(loaded.info, BATCHES[kind](loaded, options), options)


@dataclass(frozen=True, slots=True)
class OwnEngine:
    """An engine in this process, not open yet, and what it computes."""

    engine: BatchingEngine
    info: ModelInfo
    kind: str
    """The library that computes it: a value of ``PARLEY_ENGINE``."""
    device: str


def build(kind: str, choice: ModelChoice, options: EngineOptions, progress: Progress) -> OwnEngine:
    """Load a model and prepare an engine around it.

    Args:
        kind: ``PARLEY_ENGINE``.
        choice: the model.
        options: the operator's.
        progress: told what takes long.

    Raises:
        ModelUnavailableError: the model cannot be found or read, or not be computed so.
    """
    loaded = load_model(choice, progress)
    kind = "transformers" if kind == AUTO else kind
    info, device = loaded.info, str(loaded.model.device)
    engine = around(loaded, options, kind)
    return OwnEngine(engine, info, kind, device)
