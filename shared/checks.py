"""The checks of ``parley doctor``, printed one per line. Pure but for printing."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

MARKS = {True: "ok  ", False: "FAIL", None: "note"}


@dataclass(frozen=True, slots=True)
class Check:
    """One check: its subject, whether it passed, and the finding or what to do."""

    name: str
    passed: bool | None
    """None is a warning: worth knowing, not a fault."""
    finding: str

    @classmethod
    def ok(cls, name: str, finding: str) -> Self:
        """A check that passed."""
        return cls(name, passed=True, finding=finding)

    @classmethod
    def fail(cls, name: str, finding: str) -> Self:
        """A check that failed; the finding says what to do."""
        return cls(name, passed=False, finding=finding)

    @classmethod
    def warn(cls, name: str, finding: str) -> Self:
        """A warning: worth knowing, not a fault."""
        return cls(name, passed=None, finding=finding)


def print_checks(checks: Sequence[Check]) -> int:
    """Print the checks; return the exit code, which is 1 if any failed."""
    for check in checks:
        sys.stdout.write(f"{MARKS[check.passed]}  {check.name:<14} {check.finding}\n")
    sys.stdout.flush()
    return int(any(check.passed is False for check in checks))
