"""Phrases for documents, sentiment reports, learning and opting out."""
# Pure. Uses babel.

import re

from bots.incoming.context import Meant
from bots.incoming.intents.common import DAY_HOURS, SPAN, Parsed, Said, hours_in
from shared.tasks import Ask, Learn, Opt, Report

MAX_DAYS = 366
"""A report over more than a year is shortened to one year."""

ASK_DOCS = re.compile(
    r"(?:ask|search|check) (?:the |our )?(?P<docs>docs|documents|documentation|knowledge base)"
    r"(?:,? (?P<question>.+))?",
    re.IGNORECASE,
)
IN_DOCS = re.compile(
    r"(?:in|from|according to) (?:the |our )?(?:docs|documents|documentation|knowledge base)"
    r"(?:, (?P<question>.+))?",
    re.IGNORECASE,
)
DOCS_SAY = re.compile(
    r"(?P<question>what (?:do|does) (?:the|our) (?:docs|documents|documentation) say (?:about|on)"
    r" .+)",
    re.IGNORECASE,
)
REPORT = re.compile(
    rf"(?:(?:show|plot)(?: me| us)? )?(?:the )?(?:sentiment|mood)(?: here| (?:of|in) (?:this|the)"
    rf" channel)?(?: {SPAN})?",
    re.IGNORECASE,
)
LEARN = re.compile(
    r"learn (?:this|that|it|these)(?: (?:file|document|message|text)s?)?", re.IGNORECASE
)
OPT = re.compile(
    r"opt (?:me )?(?:back )?(?P<way>in|out)(?: (?:of|to|from|for)"
    r" (?:the )?(?:summaries|sentiment|ratings|everything))?",
    re.IGNORECASE,
)


def question(said: Said) -> Parsed | None:
    """``ask the docs: …``, ``in the documents: …``, ``what do the docs say about …``."""
    if match := ASK_DOCS.fullmatch(said.order) or IN_DOCS.fullmatch(said.order):
        parts = [match["question"] or "", said.body]
    elif match := DOCS_SAY.fullmatch(said.order):
        parts = [match["question"], said.body]
    else:
        return None
    text = "\n".join(part for part in parts if part)
    return Parsed(Ask(), text) if text else None


def report(said: Said) -> Parsed | None:
    """``sentiment``, ``sentiment of the last 7 days``."""
    match = None if said.body else REPORT.fullmatch(said.order)
    if match is None:
        return None
    if not match["unit"]:
        return Parsed(Report(), "")
    days = max(1, round(hours_in(match) / DAY_HOURS))
    return Parsed(Report(min(days, MAX_DAYS)), "")


NOTE = "note.txt"
"""The name of a document that a person wrote into the channel."""


def lesson(said: Said) -> Parsed | None:
    """``learn this: …``, or ``learn this`` of the message that is replied to."""
    if LEARN.fullmatch(said.order) is None:
        return None
    return Parsed(Learn(NOTE, content=""), said.body, None if said.body else Meant())


def opting(said: Said) -> Parsed | None:
    """``opt me out of summaries``, ``opt me in``."""
    match = None if said.body else OPT.fullmatch(said.order)
    if match is None:
        return None
    return Parsed(Opt(is_out=match["way"].lower() == "out"), "", is_private=True)
