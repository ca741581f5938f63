"""Phrases for summaries: ``summarize …``."""
# Pure. Uses babel.

import re

from bots.incoming.context import LastHours, SinceAsker, Wanted, WholeThread
from bots.incoming.intents.common import DAY_HOURS, SPAN, Parsed, Said, hours_in
from shared.tasks import Summarize

_NOUN = r"(?:summary|recap|tl;? ?dr)"
SUMMARIZE = re.compile(
    rf"(?:summari[sz]e|sum up|recap|(?:give (?:me|us) |write (?:me )?)?(?:an? |the )?"
    rf"(?:short |brief |quick )?{_NOUN}(?: of| for)?)"
    r"(?: (?:(?P<thread>(?:this|the|that) (?:whole |entire )?(?:thread|discussion|conversation))"
    r"|(?P<channel>(?:this|the) channel)|(?P<today>today)|(?P<bare>this|that|it|here)"
    rf"|(?P<span>(?:(?:what (?:was|has been) said|everything|the channel) )?{SPAN})"
    r"|(?P<since>(?:(?:everything|all) )?since (?:i (?:was here|(?:have )?last"
    r" (?:spoke|wrote|posted|was here)|spoke|wrote|posted|left)|my last (?:message|post)))"
    r"|(?P<missed>what i(?: have|['’]ve)? missed))"  # noqa: RUF001 - the apostrophe that phones type
    r"(?: (?:in (?:this channel|here)|here))?"
    r"(?P<focus>,? (?:focus(?:ing)? on|with a focus on|especially|about|regarding) .+?)?)?"
    r"(?P<public>,? (?:publicly|for (?:everyone|everybody|all|the channel|us all)))?",
    re.IGNORECASE,
)
MISSED = re.compile(r"what (?:did i miss|have i missed)(?: here)?", re.IGNORECASE)
FOCUS = re.compile(r"^,? (?:focus(?:ing)? on|with a focus on|about|regarding) ", re.IGNORECASE)


def summary(said: Said) -> Parsed | None:
    """``summarize this thread``, ``the last 4 hours``, ``since I last spoke``, ``tl;dr``."""
    if said.body:
        return None
    if MISSED.fullmatch(said.order):
        return summarized(SinceAsker())
    match = SUMMARIZE.fullmatch(said.order)
    if match is None:
        return None
    focus = FOCUS.sub("", match["focus"] or "", count=1)
    return summarized(_wanted(match, said), focus, is_private=not match["public"])


def _wanted(match: re.Match[str], said: Said) -> Wanted:
    if match["thread"]:
        return WholeThread()
    if match["span"]:
        return LastHours(hours_in(match))
    if match["since"] or match["missed"]:
        return SinceAsker()
    is_channel = match["channel"] or match["today"] or not said.in_thread
    return LastHours(DAY_HOURS) if is_channel else WholeThread()


def summarized(wanted: Wanted, focus: str = "", *, is_private: bool = True) -> Parsed:
    """A summary of these messages; ``focus`` is what it is to concentrate on."""
    return Parsed(Summarize((), what=name_of(wanted)), focus.strip(), wanted, is_private)


def name_of(wanted: Wanted) -> str:
    """The heading of a summary: what it covers."""
    match wanted:
        case LastHours(hours):
            return f"the last {_span(hours)}"
        case SinceAsker():
            return "what was said since you last wrote"
        case _:
            return "this thread"


def _span(hours: float) -> str:
    minutes = round(hours * 60)
    if minutes % 60:
        return "minute" if minutes == 1 else f"{minutes} minutes"
    whole = minutes // 60
    if whole > DAY_HOURS and whole % DAY_HOURS == 0:
        return f"{whole // 24} days"
    return "hour" if whole == 1 else f"{whole} hours"
