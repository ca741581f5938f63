"""``parley bench plot``: plots of the results of ``bench load`` and ``bench ingest``."""

import json
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from shared.errors import SettingsError
from worker.plots import BLUE, INK, LINE, RED, make_plain, new_figure, png_of

SIZE_INCHES = (8.0, 5.0)


def plot(measured: Path, picture: Path) -> None:
    """Draw a PNG.

    Args:
        measured: the ``--json`` output of one of the two.
        picture: the file to write.

    Raises:
        SettingsError: the input is neither's output, or the picture cannot be written.
    """
    try:
        found = json.loads(measured.read_text())
        figure = _load(found["load"]) if "load" in found else _memory(found["memory"])
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise SettingsError(
            f"{measured} is not what `parley bench load --json` or `parley bench ingest --json` "
            f"says ({type(error).__name__}): run one of them and name its output."
        ) from error
    try:
        picture.write_bytes(png_of(figure))
    except OSError as error:
        raise SettingsError(f"{picture} cannot be written: {error.strerror}.") from error


def _load(points: list[dict[str, Any]]) -> Figure:
    """Tokens a second above, waiting times below, by conversations at once."""
    figure = new_figure(*SIZE_INCHES)
    upper, lower = figure.subplots(2, 1, sharex=True)
    counts = [point["conversations"] for point in points]
    upper.plot(counts, [point["tokens_per_s"] for point in points], "o-", color=LINE)
    upper.set_ylabel("tokens a second")
    upper.set_ylim(bottom=0)
    for wait, colour, name in (
        ("first_text_ms", BLUE, "first text"),
        ("last_text_ms", RED, "whole answer"),
    ):
        p50, p95 = ([point[wait][share] / 1000 for point in points] for share in ("p50", "p95"))
        lower.plot(counts, p50, "o-", color=colour, label=f"{name}, p50")
        lower.plot(counts, p95, "o--", color=colour, label=f"{name}, p95", markersize=4)
    lower.set_ylabel("seconds")
    lower.set_ylim(bottom=0)
    lower.legend(frameon=False, ncols=2)
    lower.set_xlabel("conversations at once")
    for axes in (upper, lower):
        _by_doubling(axes, counts)
    upper.set_title("Throughput and waiting", loc="left", color=INK, fontweight="bold")
    return figure


def _memory(steps: list[dict[str, Any]]) -> Figure:
    """Memory of Redis and of the bots, by waiting questions."""
    figure = new_figure(*SIZE_INCHES)
    axes = figure.subplots()
    waiting = [step["waiting"] for step in steps if step["waiting"]]
    for key, colour, name in (("bots_mb", BLUE, "bots"), ("redis_mb", RED, "Redis")):
        sizes = [step[key] for step in steps if step["waiting"]]
        axes.plot(waiting, sizes, "o-", color=colour, label=name)
    axes.set_ylabel("MB")
    axes.set_ylim(bottom=0)
    axes.set_xlabel("questions that wait")
    axes.legend(frameon=False)
    axes.set_title("Memory by what waits", loc="left", color=INK, fontweight="bold")
    _by_doubling(axes, waiting)
    return figure


def _by_doubling(axes: Axes, counts: list[int]) -> None:
    """A logarithmic axis whose ticks are the measured values."""
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator(counts))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks(counts, labels=[f"{count:,}" for count in counts])
    make_plain(axes)
