"""The common style of all plots: colours, plain axes, PNG bytes. No display, no state."""

import io

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

INK, FAINT, LINE = "#333333", "#dddddd", "#1b3a57"
BLUE, GREY, RED = "#2166ac", "#bdbdbd", "#d6604d"
"""Blue and red of ColorBrewer's RdBu, which red-green colour-blind people can tell apart."""
DOTS_PER_INCH = 120


def new_figure(width_inches: float, height_inches: float) -> Figure:
    """An empty figure of ``DOTS_PER_INCH``."""
    figure = Figure(figsize=(width_inches, height_inches), dpi=DOTS_PER_INCH, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def make_plain(axes: Axes) -> None:
    """Remove the frame and ticks that carry no data."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(colors=INK)
    axes.grid(axis="y", color=FAINT, linewidth=0.6)
    axes.set_axisbelow(True)


def png_of(figure: Figure) -> bytes:
    """The figure as PNG bytes."""
    content = io.BytesIO()
    figure.savefig(content, format="png")
    return content.getvalue()
