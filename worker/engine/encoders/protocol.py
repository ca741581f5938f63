"""The interface of an embedding model. Imports no torch."""

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.float32]
"""(texts, width), each of length one."""
Embed = Callable[[Sequence[str]], Vectors]
"""A function from texts to their vectors, in their order."""


class Embedding(Protocol):
    """A model that turns texts into vectors."""

    @property
    def name(self) -> str:
        """Stored beside vectors, as those of another model cannot be compared with them."""
        ...

    def embed(self, texts: Sequence[str]) -> Vectors:
        """The texts' vectors, in their order."""
        ...
