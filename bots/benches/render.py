"""``parley bench``: the speed of the bots' own work, without any network call.

Processor time, the best of some runs; the cache that speeds up a growing answer is emptied before.
"""

import json
import sys
import time
from collections.abc import Callable, Sequence
from typing import Annotated

import typer

from bots.render.discord import render_for_discord
from bots.render.parse import forget
from bots.render.slack import render_for_slack

Render = Callable[[str], Sequence[str]]
MEGABYTE = 1_000_000
NUM_RUNS = 3
RENDERERS: dict[str, Render] = {"discord": render_for_discord, "slack": render_for_slack}
PARAGRAPH = (
    "## Why it is slow\n\nThe **engine** takes `max_tokens` at once, see "
    "[the docs](https://example.org/docs?page=1); what it writes is *not* cut. Two things help, "
    "and neither costs anything: a smaller batch, and a shorter prompt.\n\n"
    "1. Set the batch to 8.\n   - More is no faster on a processor.\n2. Say less.\n\n"
    "> Measure before you change anything.\n\n"
    "```python\nfor number in range(10):\n    print(number, number * number)\n```\n\n"
    "| batch | tokens a second |\n|---|---|\n| 1 | 41 |\n| 8 | 190 |\n\n"
)
TEXTS: dict[str, str] = {
    "answer": PARAGRAPH * (200_000 // len(PARAGRAPH)),
    "backticks": "`" * MEGABYTE,
    "quotes": "> " * (MEGABYTE // 2),
}
"""The rendered texts: an answer as models write them, and the worst that a prompt may provoke."""

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def bench() -> None:
    """Measure how fast Parley's own work is."""


@app.command()
def render(
    *, as_json: Annotated[bool, typer.Option("--json", help="One object, for programs.")] = False
) -> None:
    """Megabytes of Markdown a second, for each platform and for the worst texts."""
    measured = {
        f"{name}_{text}": _measure(renderer, TEXTS[text])
        for name, renderer in RENDERERS.items()
        for text in TEXTS
    }
    if as_json:
        sys.stdout.write(json.dumps(measured) + "\n")
        return
    for name, figures in measured.items():
        sys.stdout.write(
            f"{name:<20} {figures['megabytes']:.1f} MB in {figures['seconds']:.2f} s:"
            f" {figures['megabytes_per_s']:.2f} MB/s\n"
        )


def _measure(renderer: Render, text: str) -> dict[str, float]:
    seconds = min(_seconds(renderer, text) for _ in range(NUM_RUNS))
    megabytes = len(text.encode()) / MEGABYTE
    return {
        "megabytes": megabytes,
        "seconds": round(seconds, 4),
        "megabytes_per_s": round(megabytes / seconds, 3),
    }


def _seconds(renderer: Render, text: str) -> float:
    forget()
    begun_s = time.process_time()
    renderer(text)
    return time.process_time() - begun_s


def run(arguments: Sequence[str]) -> int:
    """Run one of the benches; returns the exit code."""
    command = typer.main.get_command(app)
    try:
        command.main(list(arguments), prog_name="parley bench")
    except SystemExit as end:  # its way to end after help, a usage error and success alike
        return end.code if isinstance(end.code, int) else 1
    return 0
