"""The interface of a continuous batch: transformers' manager and our own implement it."""

from dataclasses import dataclass
from typing import Protocol

from worker.engine.protocol import Sampling


@dataclass(frozen=True, slots=True)
class Admission:
    """The terms of one stay of a request in a batch."""

    max_new_tokens: int
    sampling: Sampling
    """Without None: the model's defaults are filled in."""
    inputs: object = None
    """What a picture reader made of the request's pictures."""
    num_drawn: int = 0
    """Tokens drawn in earlier batches: a seed's draws go on from there."""


class BatchOutput(Protocol):
    """The output of a batch for a request so far."""

    request_id: str
    generated_tokens: list[int]
    error: str | None

    def is_finished(self) -> bool:
        """Whether this is the last output."""
        ...


class Batch(Protocol):
    """One continuous batch, from its start until it dies or is closed."""

    @property
    def num_moves(self) -> int:
        """Grows with every finished step, and ten times a second while there is no work."""
        ...

    @property
    def has_begun(self) -> bool:
        """Whether the loop ever ran; if not, no request can have ended it."""
        ...

    def add(self, request_id: str, token_ids: list[int], terms: Admission) -> bool:
        """Add a request; False if the batch is dead."""
        ...

    def cancel_request(self, request_id: str) -> None:
        """Drop a request before the next step."""
        ...

    def get_result(self, *, timeout: float) -> BatchOutput | None:
        """The next output, if one arrives within so many seconds."""
        ...

    @property
    def is_dead(self) -> bool:
        """Whether the loop has ended, or is about to."""
        ...

    def bury(self, timeout_s: float) -> str:
        """Stop and release the cache; return the name of the error it died of."""
        ...


class Batches(Protocol):
    """A factory of batches around one model."""

    @property
    def capacity_tokens(self) -> int:
        """The longest sequence that fits."""
        ...

    @property
    def weight_bytes(self) -> int:
        """The bytes of weights that a step reads."""
        ...

    def start(self) -> Batch:
        """Start a new batch."""
        ...

    def close(self) -> None:
        """End what was started before a batch was asked for."""
        ...
