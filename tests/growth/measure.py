"""Measures how long a function takes for unlucky texts, in a process that can be killed.

``python -m tests.growth.measure --chars 1000000`` tries every function on texts of a million
characters, and says for each how long the worst one took; ``--only PART`` tries those whose name
has that part. Without ``--chars`` it measures as the test does, at sizes that take milliseconds.
"""

import argparse
import contextlib
import json
import resource
import select
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, TextIO

from tests.growth.texts import BEGINNINGS, TEXTS

SIZES = (8_000, 64_000)
"""Characters: for every text, and for the slowest few texts of each function."""
NUM_SLOWEST = 3
ALLOWED_S_PER_CHAR = 2e-6
"""Two seconds of processor time for a million characters."""
MARKDOWN_S_PER_CHAR = 30e-6
SLOW: dict[str, float] = {}
"""Functions that take longer for a character, and why that is bounded."""
MOST_GROWTH = 8.0
"""For four times the text. A linear function's time grows four times, a quadratic one's sixteen."""
FLOOR_S = 0.004
"""What a measurement of milliseconds may be wrong by."""
PATIENCE_S = 20.0
"""Without a line from the process that measures; it is killed then."""


@dataclass(frozen=True, slots=True)
class Measured:
    """The worst text of a function, or a fault."""

    function: str
    text: str
    size: int
    seconds: float
    fault: str = ""
    """Why this is not accepted; empty if it is."""


def cases() -> dict[str, Callable[[str], object]]:
    """Every function in scope that has a call."""
    from tests.growth.calls import CALLS, LEFT_OUT  # noqa: PLC0415 - they import all of Parley
    from tests.growth.functions import call_of, functions_in, takes_text  # noqa: PLC0415

    found = {
        name: call_of(name, function)
        for name, function in functions_in().items()
        if name not in LEFT_OUT and (name in CALLS or takes_text(function))
    }
    return {**found, **CALLS}


def measured(names: Sequence[str], chars: int | None = None) -> Iterator[Measured]:
    """Measure functions, each in turn, in a process that is killed if it takes too long."""
    left = list(names)
    while left:
        done = 0
        for one in _in_process(left, chars):
            done += 1
            yield one
        left = left[max(1, done) :]


def _in_process(names: Sequence[str], chars: int | None) -> Iterator[Measured]:
    """What a process says until it ends, or is killed: then the last one has a fault."""
    command = [sys.executable, "-m", "tests.growth.measure", "--serve", json.dumps([*names])]
    command += ["--chars", str(chars)] if chars else []
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
    ) as process:
        assert process.stdout is not None
        at = ("", "the first", 0)
        num_said = 0
        try:
            while line := _line(process.stdout, PATIENCE_S * (1 if chars is None else 3)):
                told = json.loads(line)
                if "seconds" in told:
                    num_said += 1
                    yield Measured(**told)
                else:
                    at = (told["function"], told["text"], told["size"])
            if process.wait() != 0 or num_said < len(names):
                fault = f"its process ended ({process.returncode})"
                yield Measured(at[0], at[1], at[2], 0.0, fault)
        except TimeoutError:
            process.kill()
            yield Measured(*at, PATIENCE_S, "it did not end, and was killed")


def _line(stream: IO[str], seconds: float) -> str:
    ready, _, _ = select.select([stream], [], [], seconds)
    if not ready:
        raise TimeoutError
    return stream.readline()


def serve(names: Sequence[str], chars: int | None, out: TextIO) -> None:
    """Measure here; say what is tried before, and what was measured after."""
    resource.setrlimit(resource.RLIMIT_AS, (12 << 30, 12 << 30))
    known = cases()
    for name in names:
        found = _measure(name, known[name], chars, out)
        print(json.dumps(asdict(found)), file=out, flush=True)


def _measure(name: str, call: Callable[[str], object], chars: int | None, out: TextIO) -> Measured:
    allowed = SLOW.get(name, ALLOWED_S_PER_CHAR)
    sizes = (chars,) if chars else tuple(int(s * ALLOWED_S_PER_CHAR / allowed) for s in SIZES)
    texts = {**TEXTS, **_begun()}
    _time(call, "a " * 100)  # what is loaded at the first use
    slowest = dict.fromkeys(texts, 0.0)
    worst = Measured(name, "", 0, 0.0)
    for size in sizes:
        for kind in sorted(slowest, key=slowest.__getitem__, reverse=True):
            if chars:
                print(
                    json.dumps({"function": name, "text": kind, "size": size}), file=out, flush=True
                )
            slowest[kind], fault = _judge(call, texts[kind], size, allowed)
            if fault or slowest[kind] >= worst.seconds:
                worst = Measured(name, kind, size, slowest[kind], fault)
            if fault:
                return worst
        order = sorted(slowest, key=slowest.__getitem__, reverse=True)
        slowest = {kind: slowest[kind] for kind in order[:NUM_SLOWEST]}
    return worst


def _begun() -> dict[str, Callable[[int], str]]:
    """Texts that begin in a way that opens one of the parser's."""
    units = ("a", " ", "please ", "`", "[", "(", "0", ",", "<", "\n", "- ")

    def begun(beginning: str, unit: str) -> Callable[[int], str]:
        return lambda size: beginning + unit * (size // len(unit))

    return {
        f"{name}, then {unit!r}": begun(beginning, unit)
        for name, beginning in BEGINNINGS.items()
        for unit in units
    }


def _judge(
    call: Callable[[str], object], make: Callable[[int], str], size: int, allowed: float
) -> tuple[float, str]:
    text = make(size)
    seconds, fault = _time(call, text)
    if fault:
        return seconds, fault
    if seconds <= FLOOR_S + allowed * len(text):
        return seconds, ""
    seconds = min(seconds, _time(call, text)[0])
    if seconds <= FLOOR_S + allowed * len(text):
        return seconds, ""
    quarter = _time(call, make(size // 4))[0]
    growth = seconds / max(quarter, FLOOR_S / 4)
    if growth > MOST_GROWTH:
        return seconds, f"takes {growth:.0f} times as long for four times the text"
    return (
        seconds,
        f"takes {1e6 * seconds / len(text):.1f} µs a character, {1e6 * allowed:.0f} allowed",
    )


def _time(call: Callable[[str], object], text: str) -> tuple[float, str]:
    """The processor time in seconds, and what was raised that no text may raise."""
    start = time.process_time()
    fault = ""
    try:
        call(text)
    except (RecursionError, MemoryError) as error:
        fault = type(error).__name__
    except Exception:  # noqa: BLE001 - what else a text may raise is for the fuzzing tests
        pass
    return time.process_time() - start, fault


def main() -> int:
    """Measure, and print a table; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.growth.measure", description=__doc__)
    parser.add_argument("--chars", type=int)
    parser.add_argument("--only", default="")
    parser.add_argument("--serve", type=json.loads)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    if options.serve is not None:
        told = sys.stdout
        with contextlib.redirect_stdout(sys.stderr):
            serve(options.serve, options.chars, told)
        return 0
    num_faults = 0
    for one in measured([name for name in cases() if options.only in name], options.chars):
        num_faults += bool(one.fault)
        fields = (one.function, one.text, one.size, f"{one.seconds:.3f}", one.fault)
        sys.stdout.write(" | ".join(map(str, fields)) + "\n")
        sys.stdout.flush()
    return 1 if num_faults else 0


if __name__ == "__main__":
    sys.exit(main())
