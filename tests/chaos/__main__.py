"""``python -m tests.chaos``: kill everything at random under load and count what users lost.

Prints progress and one closing line for each system; exits with 1 if Parley lost or doubled
anything.
"""

import argparse
import asyncio
import dataclasses
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from tests.chaos.plan import failover, rolling_upgrade
from tests.chaos.processes import ROOT
from tests.chaos.report import closing_line
from tests.chaos.run import Options, run
from tests.chaos.systems import parley, plain_celery


def main() -> int:
    """Run as the command line says; returns the exit code."""
    arguments = _parser().parse_args()
    folder = Path(tempfile.mkdtemp(prefix="parley-chaos-"))
    _say(f"seed {arguments.seed}; logs in {folder}")
    options = _options(arguments, folder / "parley")
    if arguments.sentinel:
        options = dataclasses.replace(options, has_sentinels=True, plan=failover)
    if arguments.upgrade_from:
        tree = _source_of(arguments.upgrade_from, folder / "old")
        options = dataclasses.replace(options, old_tree=tree, plan=rolling_upgrade)
    result = asyncio.run(run(options, parley))
    lines = [closing_line(result)]
    if arguments.baseline:
        _say("now the same with plain Celery")
        other = asyncio.run(run(_options(arguments, folder / "celery"), plain_celery))
        lines.append(f"plain Celery: {closing_line(other)}")
    _say(f"seed {arguments.seed}; replay: {_command(arguments)}")
    sys.stdout.write("".join(f"{line}\n" for line in reversed(lines)))
    if result.num_broken:
        _say(f"the logs are kept in {folder}")
        return 1
    if not arguments.keep:
        shutil.rmtree(folder)
    return 0


def _source_of(commit: str, folder: Path) -> Path:
    """The source of an older version, from the repository's history."""
    folder.mkdir()
    archive = folder / "source.tar"
    with archive.open("wb") as file:
        subprocess.run(["git", "archive", commit], cwd=ROOT, stdout=file, check=True)
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")
    return folder


def _command(arguments: argparse.Namespace) -> str:
    baseline = " BASELINE=1" if arguments.baseline else ""
    return f"make chaos N={arguments.messages} SEED={arguments.seed}{baseline}"


def _options(arguments: argparse.Namespace, folder: Path) -> Options:
    return Options(
        num_messages=arguments.messages,
        seed=arguments.seed,
        folder=folder,
        num_workers=arguments.workers,
        num_bots=arguments.bots,
        in_flight=arguments.in_flight,
        is_calm=arguments.calm,
        say=_say,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("-n", "--messages", type=int, default=500, help="how many to send")
    parser.add_argument("--seed", type=int, default=7, help="draws what goes wrong, and who speaks")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--bots", type=int, default=2)
    parser.add_argument("--in-flight", type=int, default=24, help="questions open at any time")
    parser.add_argument(
        "--baseline",
        action="store_true",
        help="also run plain Celery under the same seed, which takes as long again; its line is "
        "printed first and does not decide the exit code",
    )
    parser.add_argument(
        "--sentinel",
        action="store_true",
        help="one fault alone: a failover by Sentinel from the primary to its replica",
    )
    parser.add_argument(
        "--upgrade-from",
        metavar="COMMIT",
        help="no fault: processes of that version are replaced one by one by those of this tree",
    )
    parser.add_argument("--calm", action="store_true", help="let nothing go wrong")
    parser.add_argument("--keep", action="store_true", help="keep the logs of a run without fault")
    return parser


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
