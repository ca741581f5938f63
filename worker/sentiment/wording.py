"""What people read about a channel's mood. Pure."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime

from shared.ledger.ratings import Rated
from worker.sentiment.ratings import LABELS
from worker.sentiment.trend import Drop, Mood

NOTHING_RATED = (
    "No message of this channel was rated in the last {days} days. Ratings begin when whoever runs "
    "Parley names the channel in PARLEY_SENTIMENT_CHANNELS."
)
CAUTION = (
    "*A small model rated these messages, and is wrong about one in four. It says nothing about "
    "anybody who wrote them.*"
)
MARKUP = re.compile(r"([\\`*_~\[\]()<>|#])")


def report_text(mood: Mood, num_days: int) -> str:
    """Markdown that stands above the picture."""
    shares = ", ".join(f"{mood.share(label):.0%} {label}" for label in reversed(LABELS))
    summary = (
        f"{_messages(mood.num_rated)} rated: {shares}. On average {signed(mood.mean)} on a scale "
        "from -4 to +4."
    )
    parts = [
        f"**How this channel sounded in the last {num_days} days**",
        summary,
        _listed("Most positive", mood.most_positive),
        _listed("Most negative", mood.most_negative),
        CAUTION,
    ]
    return "\n\n".join(part for part in parts if part)


def alternative_text(mood: Mood) -> str:
    """What the picture shows, for people who do not see it."""
    means = [day.mean for day in mood.days if day.mean is not None]
    first, last = mood.days[0].day, mood.days[-1].day
    shares = ", ".join(f"{mood.share(label):.0%} {label}" for label in reversed(LABELS))
    return (
        f"Mean sentiment by day from {first:%-d %B} to {last:%-d %B}, between {signed(min(means))} "
        f"and {signed(max(means))}, and below it the number of messages by day: {shares}."
    )


def drop_text(drop: Drop) -> str:
    """Markdown that tells a channel of a drop."""
    return (
        f"The mood in this channel has dropped: {_messages(drop.num_rated)} of the last 24 hours "
        f"are rated {signed(drop.after)} on average, those of the week before "
        f"{signed(drop.before)} (the scale is -4 to +4). `/sentiment` shows more.\n\n{CAUTION}"
    )


def signed(score: float) -> str:
    """A score as people write it, such as ``+1.3`` and ``-0.4``."""
    rounded = round(score, 1)
    if rounded == 0:
        return "0.0"
    return f"{rounded:+.1f}"


def _messages(number: int) -> str:
    return "1 message" if number == 1 else f"{number:,} messages"


def _listed(heading: str, ratings: Sequence[Rated]) -> str:
    lines = [f"{number}. {_line(rated)}" for number, rated in enumerate(ratings, 1)]
    return "\n".join([f"{heading}:", "", *lines]) if lines else ""


def _line(rated: Rated) -> str:
    day = f"{datetime.fromtimestamp(rated.written_at_s, UTC):%-d %B}"
    author = MARKUP.sub(r"\\\1", " ".join(rated.author.split()))
    where = f"[{day}]({rated.link})" if rated.link else day
    return f"{signed(rated.score)}, {author}, {where}"
