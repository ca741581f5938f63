"""``python -m tests.hostile``: each hostile file, what it takes, and what a person reads of it."""

import argparse
import contextlib
import statistics
import sys
from collections.abc import Sequence

from tests.hostile.answers import Answers, writing
from tests.hostile.files import files
from tests.hostile.reading import Reading, read
from worker.knowledge.reader_pool import ReaderPool

ALONE_S = 0.7
"""How long answers are written alone before each file: what else the machine does counts alike."""
MAX_SLOWER = 1.5


def main(arguments: Sequence[str]) -> int:
    """Read the files; exit code 1 if answers were held up by more than ``MAX_SLOWER``."""
    parser = argparse.ArgumentParser(prog="python -m tests.hostile", description=__doc__)
    parser.add_argument("--answers", action="store_true", help="write 16 answers beside it")
    parser.add_argument("--only", default="", help="files whose names have this in them")
    options = parser.parse_args(arguments)
    with contextlib.ExitStack() as stack:
        answers = stack.enter_context(writing()) if options.answers else None
        pool = stack.enter_context(contextlib.closing(ReaderPool()))
        pool.isolation()
        readings = []
        for name, made in files().items():
            if options.only not in name:
                continue
            if answers:
                answers.write_alone(ALONE_S)
            readings.append(read(pool, name, made))
            sys.stdout.write(_line(readings[-1], answers))
            sys.stdout.flush()
        return _summary(readings, answers)


def _line(reading: Reading, answers: Answers | None) -> str:
    gap = ""
    if answers:
        slower = answers.slower([reading])
        gap = f" {slower:5.2f}x" if slower else "      -"
    return (
        f"{reading.name:44}{reading.kilobytes:9,.0f} kB"
        f"{reading.seconds:7.2f} s{reading.cpu_s:7.2f} s"
        f"{reading.megabytes:6,.0f} MB{gap}  {reading.told}\n"
    )


def _summary(readings: Sequence[Reading], answers: Answers | None) -> int:
    seconds = sum(reading.seconds for reading in readings)
    most = max(readings, key=lambda reading: reading.megabytes)
    sys.stdout.write(
        f"\n{len(readings)} files in {seconds:,.0f} s; a file takes "
        f"{statistics.median(reading.seconds for reading in readings):.2f} s (median), "
        f"{max(reading.seconds for reading in readings):.1f} s at most, and "
        f"{most.megabytes:,.0f} MB at most ({most.name}).\n"
    )
    if not answers:
        return 0
    slower = answers.slower(readings)
    sys.stdout.write(
        f"Time between two pieces of an answer, of 16 that are written: "
        f"{answers.alone_s * 1000:.0f} ms alone, {slower:.2f} times that while files are read "
        "(medians).\n"
    )
    return int(slower > MAX_SLOWER)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
