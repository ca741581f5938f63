"""What a task is to the loop that runs jobs: a lease goes in, an outcome comes out."""

from collections.abc import Callable
from dataclasses import dataclass

from shared.errors import ParleyError
from shared.ledger.lifecycle import ConversationMemory
from shared.replies import Final
from worker.leases import HeldLease

NO_MEMORY = ConversationMemory()
"""The conversation stays as it is."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run has come to."""

    reply: Final
    memory: ConversationMemory = NO_MEMORY


class RunEndedError(ParleyError):
    """The run had to end before its work was done; ``held.ending`` says why."""

    def __init__(self, text: str) -> None:
        super().__init__("The run had to end.")
        self.text = text
        """What had been written by then."""


Handler = Callable[[HeldLease], Outcome]
"""Does what a kind of job asks for.

Raises:
    RefusedError: it cannot be done as it was asked.
    RunEndedError: the run had to end.
    EngineError: the engine died of it.
    InterruptedError: the engine has ended; the job is not to blame.
"""
