"""Sentence embeddings: texts to vectors of length one, in batches of similar length.

The packaged model runs on OpenVINO on a processor, without torch; any other, and a GPU, on torch.
Does not know documents.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from worker.engine.encoders.common import DEFAULT, DEFAULT_ENCODER, batches_by_length
from worker.engine.encoders.compiled import CompiledEncoder, open_compiled
from worker.engine.encoders.files import SENTENCE, ensure_encoder, is_compiled_on
from worker.engine.encoders.protocol import Embedding, Vectors

MAX_TOKENS = 256
"""Of a text; the rest is cut. all-MiniLM-L6-v2 was trained with this length (its model card)."""
BATCH_TOKENS = 1024
"""Of a batch, padding included: small, so that each core has one."""


class Embedder:
    """The packaged encoder, compiled; thread-safe."""

    name = DEFAULT_ENCODER
    """Stored beside vectors, as those of another model cannot be compared with them."""

    def __init__(self, encoder: CompiledEncoder) -> None:
        self._encoder = encoder

    @property
    def width(self) -> int:
        """The number of components of a vector."""
        return self._encoder.width

    def embed(self, texts: Sequence[str]) -> Vectors:
        """The texts' vectors, in their order."""
        vectors = np.zeros((len(texts), self.width), dtype=np.float32)
        token_ids = self._encoder.token_ids(texts, MAX_TOKENS)
        batches = batches_by_length([len(ids) for ids in token_ids], BATCH_TOKENS)
        self._encoder.compute(token_ids, batches, vectors)
        return vectors


def load_embedder(model: str, device: str, cache_dir: Path) -> Embedding:
    """Load an encoder.

    Args:
        model: ``default``, a folder or a hub id.
        device: as ``PARLEY_DEVICE``.
        cache_dir: as ``PARLEY_CACHE_DIR``.

    Raises:
        ModelUnavailableError: it cannot be found or read; the sentence says what to do.
    """
    if model == DEFAULT and is_compiled_on(device):
        return Embedder(open_compiled(ensure_encoder(SENTENCE, cache_dir)))
    from worker.engine.encoders.torch_embedder import load_torch_embedder  # noqa: PLC0415 - seconds of import

    name = DEFAULT_ENCODER if model == DEFAULT else model
    return load_torch_embedder(model, name, device, MAX_TOKENS)
