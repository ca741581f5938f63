"""Whether a subscription still hears: a Redis that hangs, or whose machine is gone, closes nothing.

A subscriber only waits, so that no timeout of a command finds out; after a failover it would wait
for ever on the old primary. A ping now and then is answered, or the connection is dead.
"""

import time
from collections.abc import Callable

import redis

PING_AFTER_S = 3.0
"""So long without a message, and the next sign of life is asked for."""
DEAD_AFTER_S = 8.0
"""A failover takes some 3 s; a ping that is not answered within 5 s is not answered any more."""


class Silence:
    """Measures the silence of one subscription."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._heard_s = clock()
        self._is_pinged = False

    def note(self, message: object) -> bool:
        """Note what came within one wait: a message, the answer to a ping, or None.

        Returns:
            whether to send a ping now.

        Raises:
            redis.TimeoutError: nothing has come for too long: connect again.
        """
        now_s = self._clock()
        if message is not None:
            self._heard_s, self._is_pinged = now_s, False
        silent_s = now_s - self._heard_s
        if self._is_pinged and silent_s > DEAD_AFTER_S:
            raise redis.TimeoutError("The subscription is silent.")
        if self._is_pinged or silent_s <= PING_AFTER_S:
            return False
        self._is_pinged = True
        return True


def text_of(message: object) -> str | None:
    """What was published; None for an answer to a ping, or for no message."""
    if not isinstance(message, dict) or message.get("type") not in {"message", b"message"}:
        return None
    return str(message["data"].decode(errors="replace"))
