"""The sentiment plot of a channel: the mean by day above, the number of messages by class below."""

from collections.abc import Sequence
from datetime import date

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from worker.plots import BLUE, FAINT, GREY, INK, LINE, RED, make_plain, new_figure, png_of
from worker.sentiment.ratings import BOUNDARY, HIGHEST, LABELS, Label
from worker.sentiment.trend import Trend

COLOURS = {Label.POSITIVE: BLUE, Label.NEUTRAL: GREY, Label.NEGATIVE: RED}
SIZE_INCHES = (8.0, 5.0)
LEAST_REACH = 1.0
"""The scale's least extent on both sides, so that a calm channel looks calm."""
MARGIN = 0.3
BAR_WIDTH_DAYS = 0.8
LARGEST_DOT = 55.0
"""Its area in square points."""
MAX_TICKS = 8
EPOCH = date(1970, 1, 1)
"""The day from which matplotlib counts (``matplotlib.dates.get_epoch``)."""


def draw(trend: Trend) -> bytes:
    """A PNG of 960 by 600 pixels."""
    figure = new_figure(*SIZE_INCHES)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 2])
    _draw_means(upper, trend)
    _draw_counts(lower, trend)
    handles, labels = lower.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(LABELS), frameon=False)
    return png_of(figure)


def _draw_means(axes: Axes, trend: Trend) -> None:
    days = _numbers(trend)
    known = [
        (day, each) for day, each in zip(days, trend.days, strict=True) if each.mean is not None
    ]
    means = [each.mean or 0.0 for _, each in known]
    most = max(each.num_rated for _, each in known)
    axes.axhspan(-BOUNDARY, BOUNDARY, color=FAINT, alpha=0.4, linewidth=0)
    axes.axhline(0, color=INK, linewidth=0.8)
    axes.axhline(
        trend.mean, color=INK, linewidth=0.8, linestyle="--", label=f"mean {trend.mean:+.1f}"
    )
    axes.plot([day for day, _ in known], means, color=LINE, linewidth=1.5)
    axes.scatter(
        [day for day, _ in known],
        means,
        # The area is proportional to the day's messages: a day of one message is a dot.
        s=[LARGEST_DOT * max(each.num_rated / most, 0.1) for _, each in known],
        color=LINE,
        zorder=3,
    )
    reach = max(LEAST_REACH, *(abs(mean) + MARGIN for mean in means))
    axes.set_ylim(-min(reach, HIGHEST), min(reach, HIGHEST))
    axes.set_ylabel("mean by day")
    axes.legend(loc="lower left", frameon=False)
    axes.set_title("How this channel sounded", loc="left", color=INK, fontweight="bold")
    make_plain(axes)


def _draw_counts(axes: Axes, trend: Trend) -> None:
    days = _numbers(trend)
    below = [0.0] * len(days)
    for label in LABELS:
        heights = [float(day.counts[label]) for day in trend.days]
        axes.bar(
            days,
            heights,
            bottom=below,
            width=BAR_WIDTH_DAYS,
            color=COLOURS[label],
            label=f"{label} {trend.share(label):.0%}",
        )
        below = [low + height for low, height in zip(below, heights, strict=True)]
    axes.set_ylabel("messages")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=4))
    step = -(-len(days) // MAX_TICKS)
    ticks = list(range(len(days) - 1, -1, -step))
    axes.set_xticks([days[i] for i in ticks], labels=[f"{trend.days[i].day:%-d %b}" for i in ticks])
    axes.set_xlim(days[0] - 0.7, days[-1] + 0.7)
    make_plain(axes)


def _numbers(trend: Trend) -> Sequence[float]:
    """The days as matplotlib's numbers."""
    return [float(day.day.toordinal() - EPOCH.toordinal()) for day in trend.days]
