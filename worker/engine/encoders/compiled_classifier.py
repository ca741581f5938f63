"""Our text classifier on a processor: the encoder with its adapter, on OpenVINO. Imports no torch.

``classifier`` computes the same on torch. Does not know what the classes mean.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open

from shared.errors import ModelUnavailableError
from worker.engine.encoders.common import batches_by_length
from worker.engine.encoders.compiled import CompiledEncoder, open_compiled
from worker.engine.encoders.files import EncoderUse, ensure_encoder

ADAPTER_FILE = "sentiment.safetensors"
MAX_TOKENS = 128
"""The beginning of a long message shows its sentiment; ours was trained on texts below 96 tokens.
"""
BATCH_TOKENS = 512
"""Of one forward step, padding included: small, so that no core waits for another."""


class CompiledClassifier:
    """The encoder with its adapter, and a head that also reads cues."""

    def __init__(self, encoder: CompiledEncoder) -> None:
        self._encoder = encoder

    def scores(self, texts: Sequence[str], cues: Sequence[Sequence[float]]) -> list[float]:
        """The score of each text, in their order.

        Args:
            texts: as the model reads them.
            cues: for each text, as many numbers as the model was trained with.
        """
        token_ids = self._encoder.token_ids(texts, MAX_TOKENS)
        batches = batches_by_length([len(ids) for ids in token_ids], BATCH_TOKENS)
        rated = np.zeros((len(texts), self._encoder.width), dtype=np.float32)
        self._encoder.compute(token_ids, batches, rated, np.array(cues, dtype=np.float32))
        scores: list[float] = rated[:, 0].tolist()
        return scores


def load_compiled_classifier(
    weights: Path, cache_dir: Path
) -> tuple[CompiledClassifier, Mapping[str, str]]:
    """Our model with these weights, and the notes that were saved with them.

    Raises:
        ModelUnavailableError: the encoder's package or the weights are missing.
    """
    folder = ensure_encoder(EncoderUse("sentiment", weights), cache_dir)
    return CompiledClassifier(open_compiled(folder)), notes_of(weights)


def notes_of(weights: Path) -> dict[str, str]:
    """The notes on the training.

    Raises:
        ModelUnavailableError: the file cannot be read.
    """
    try:
        with safe_open(weights, framework="numpy") as opened:
            notes: dict[str, str] = opened.metadata() or {}
    except (OSError, SafetensorError) as error:
        raise ModelUnavailableError(
            f"The sentiment model cannot be read from {weights}. Install Parley again, or train it "
            "with `parley train sentiment`."
        ) from error
    return notes
