"""What a continuous batch is, to the engine around it: transformers' manager and ours are two."""

from typing import Protocol


class BatchOutput(Protocol):
    """What a batch has written for a request so far."""

    request_id: str
    generated_tokens: list[int]
    error: str | None

    def is_finished(self) -> bool:
        """Whether no more will come."""
        ...


class Batch(Protocol):
    """One life of a continuous batch."""

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
        """Take a request; None if the batch is dead."""
        ...

    def cancel_request(self, request_id: str) -> None:
        """Forget a request before the next step."""
        ...

    def get_result(self, *, timeout: float) -> BatchOutput | None:
        """The next output, if one comes in so many seconds."""
        ...

    @property
    def is_dead(self) -> bool:
        """Whether the loop has ended, or is about to."""
        ...

    def bury(self, timeout_s: float) -> str:
        """Stop for good and let go of the cache; returns the name of what it died of."""
        ...


class Batches(Protocol):
    """Starts one batch after another around one model."""

    @property
    def capacity_tokens(self) -> int:
        """The longest sequence that fits."""
        ...

    @property
    def weight_bytes(self) -> int:
        """What a step reads of weights."""
        ...

    def start(self) -> Batch:
        """A new batch, running."""
        ...
