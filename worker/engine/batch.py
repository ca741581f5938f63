"""The interface of a continuous batch: transformers' manager and our own implement it."""

from typing import Protocol


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

    num_moves: int
    """Grows with every finished step, and ten times a second while there is no work."""
    has_begun: bool
    """Whether the loop ever ran; if not, no request can have ended it."""

    def add_request(  # noqa: PLR0913 - as transformers' manager is called
        self,
        input_ids: list[int],
        *,
        request_id: str,
        max_new_tokens: int,
        streaming: bool,
        temperature: float,
        top_p: float,
        seed: int | None = None,
        step: int = 0,
    ) -> str | None:
        """Add a request; None if the batch is dead."""
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
