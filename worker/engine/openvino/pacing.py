"""The pacing of a long prompt's parts: how many plain steps come between two of them.

A part makes its step longer. Running answers then wait longer for each piece; on average at most
``MAX_STRETCH`` times as long as without. Pure.
"""
# Pure.

MAX_STRETCH = 1.8
"""The aim is 2; some of it is lost to the start and the end of the prompt."""
WEIGHT = 0.2
"""Of the newest step in the averages."""


class PartPacing:
    """Measures steps with and without a part, and says when the next part is due."""

    def __init__(self) -> None:
        self._plain_s = 0.0
        self._part_s = 0.0
        self._num_plain = 0

    def note(self, step_s: float, *, is_part: bool) -> None:
        """Record how long a step took, in seconds."""
        if is_part:
            self._part_s = _mean(self._part_s, step_s)
            self._num_plain = 0
        else:
            self._plain_s = _mean(self._plain_s, step_s)
            self._num_plain += 1

    @property
    def is_due(self) -> bool:
        """Whether enough plain steps have gone by since the last part."""
        # The mean step of a part and the plain ones before it, over a plain one, is the stretch.
        extra_s = max(0.0, self._part_s - self._plain_s)
        return self._num_plain + 1 >= extra_s / ((MAX_STRETCH - 1) * max(self._plain_s, 1e-6))


def _mean(old_s: float, new_s: float) -> float:
    return new_s if old_s == 0 else old_s + WEIGHT * (new_s - old_s)
