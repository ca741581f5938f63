"""The interface between ``worker.runner`` and the tasks: from a lease to an ``Outcome``."""

from collections.abc import Callable
from dataclasses import dataclass

from shared.errors import ParleyError
from shared.ledger.lifecycle import ConversationMemory
from shared.replies import Final
from worker.leases import HeldLease

NO_MEMORY = ConversationMemory()
"""Leaves the conversation unchanged."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of a run."""

    reply: Final
    memory: ConversationMemory = NO_MEMORY


class RunEndedError(ParleyError):
    """The run had to end before its work was done; ``held.ending`` says why."""

    def __init__(self, text: str) -> None:
        super().__init__("The run had to end.")
        self.text = text
        """The text written by then."""


Handler = Callable[[HeldLease], Outcome]
"""Runs one kind of job.

Raises:
    RefusedError: it cannot be done as it was asked.
    RunEndedError: the run had to end.
    EngineError: this request made the engine fail.
    InterruptedError: the engine has ended; the job is not to blame."""
