"""Phrases for translations: ``translate …``."""
# Pure. Uses babel.

import re

from bots.incoming.context import Meant
from bots.incoming.intents.common import POINTED, Parsed, Said
from shared.languages import find_language
from shared.tasks import Translate

_QUOTED = r"(?:[\"“”„](?P<text>.+?)[\"“”]|«(?P<text2>.+?)»|[‘'](?P<text3>.+)[’']|`(?P<text4>.+)`)"  # noqa: RUF001 - the quotation marks that people type
_FROM = r"(?: from (?P<source>[^\W\d][\w -]{1,30}?))?"
_TO = r"(?:to|into|in) (?P<to>[^\"“„«]{2,40})"

TRANSLATE_POINTED = re.compile(rf"translate(?: {POINTED})?{_FROM} {_TO}", re.IGNORECASE)
TRANSLATE_QUOTED = [
    re.compile(rf"translate {_QUOTED}{_FROM} {_TO}", re.IGNORECASE | re.DOTALL),
    re.compile(rf"translate{_FROM} {_TO} {_QUOTED}", re.IGNORECASE | re.DOTALL),
]
TRANSLATE_BARE = re.compile(
    r"translate (?!(?:this|that|it|its|the|my|our|your|his|her|their|these|those|what|every\w*|all"
    r"|a|an|some|any|me|us|for|from|to|into|in|above|between)\b)"
    rf"(?P<text>\S.*?){_FROM} (?:to|into) (?P<to>[^\"“„«]{{2,40}})",
    re.IGNORECASE,
)


def translation(said: Said) -> Parsed | None:
    """``translate this to French``, ``translate to German: …``, ``translate "…" into es``."""
    if said.body:
        match = TRANSLATE_POINTED.fullmatch(said.order)
        return _translated(match, said.body)
    if match := TRANSLATE_POINTED.fullmatch(said.order):
        found = _translated(match, "")
        if found:
            return found
    for pattern in TRANSLATE_QUOTED:
        if match := pattern.fullmatch(said.order):
            return _translated(match, _quoted(match))
    match = TRANSLATE_BARE.fullmatch(said.order)
    return _translated(match, match["text"] if match else "")


def _translated(match: re.Match[str] | None, text: str) -> Parsed | None:
    to = find_language(match["to"]) if match else None
    if match is None or to is None:
        return None
    if match["source"] and find_language(match["source"]) is None:
        return None
    return Parsed(Translate(to), text.strip(), None if text else Meant())


def _quoted(match: re.Match[str]) -> str:
    return next(match[name] for name in ("text", "text2", "text3", "text4") if match[name])
