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

BEFORE_S = 10.0
"""How long answers are written alone, before the first file."""
MAX_SLOWER = 1.5


def main(arguments: Sequence[str]) -> int:
    """Read the files; exit code 1 if answers were held up by more than ``MAX_SLOWER``."""
    parser = argparse.ArgumentParser(prog="python -m tests.hostile", description=__doc__)
    parser.add_argument("--answers", action="store_true", help="write 16 answers beside it")
    parser.add_argument("--only", default="", help="files whose names have this in them")
    options = parser.parse_args(arguments)
    with contextlib.ExitStack() as stack:
        answers = stack.enter_context(writing()) if options.answers else None
        usual_s = answers.gap_s(answers.wait(BEFORE_S), None) if answers else 0.0
        pool = stack.enter_context(contextlib.closing(ReaderPool()))
        readings = []
        for name, made in files().items():
            if options.only in name:
                readings.append(read(pool, name, made))
                sys.stdout.write(_line(readings[-1], answers, usual_s))
                sys.stdout.flush()
        return _summary(readings, answers, usual_s)


def _line(reading: Reading, answers: Answers | None, usual_s: float) -> str:
    gap = ""
    if answers:
        gap_s = answers.gap_s(reading.begun_s, reading.begun_s + reading.seconds)
        gap = f" {gap_s / usual_s:5.2f}x" if gap_s else "      -"
    return (
        f"{reading.name:44}{reading.kilobytes:9,.0f} kB"
        f"{reading.seconds:7.2f} s{reading.cpu_s:7.2f} s"
        f"{reading.megabytes:6,.0f} MB{gap}  {reading.told}\n"
    )


def _summary(readings: Sequence[Reading], answers: Answers | None, usual_s: float) -> int:
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
    slower = answers.gap_s(readings[0].begun_s, None) / usual_s
    sys.stdout.write(
        f"Time between two pieces of an answer, of 16 that are written: {usual_s * 1000:.0f} ms "
        f"alone, {slower:.2f} times that while files are read (medians).\n"
    )
    return int(slower > MAX_SLOWER)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
