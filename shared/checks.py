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
    exit_code: int = 1
    """Of a process that does not start for this reason."""

    @classmethod
    def ok(cls, name: str, finding: str) -> Self:
        """A check that passed."""
        return cls(name, passed=True, finding=finding)

    @classmethod
    def fail(cls, name: str, finding: str, exit_code: int = 1) -> Self:
        """A check that failed; the finding says what to do."""
        return cls(name, passed=False, finding=finding, exit_code=exit_code)

    @classmethod
    def warn(cls, name: str, finding: str) -> Self:
        """A warning: worth knowing, not a fault."""
        return cls(name, passed=None, finding=finding)


def print_checks(checks: Sequence[Check]) -> int:
    """Print the checks; return the exit code: 1 if any failed, or the one that all failed with."""
    for check in checks:
        sys.stdout.write(f"{MARKS[check.passed]}  {check.name:<14} {check.finding}\n")
    sys.stdout.flush()
    return one_code(*(check.exit_code for check in checks if check.passed is False))


def one_code(*codes: int) -> int:
    """The exit code of several parts: 0 if all are well, their fault if it is the same, else 1."""
    faults = {code for code in codes if code}
    return faults.pop() if len(faults) == 1 else int(bool(faults))
