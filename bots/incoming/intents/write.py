"""Phrases for writing: ``write …``, ``draft a reply …`` and ``complete: …``."""
# Pure. Uses babel.

import re

from bots.incoming.context import Meant
from bots.incoming.intents.common import POINTED, Parsed, Said
from shared.tasks import Complete, Form, Length, Write

FORMS = {
    "email": Form.EMAIL,
    "mail": Form.EMAIL,
    "announcement": Form.ANNOUNCEMENT,
    "ad": Form.AD,
    "advert": Form.AD,
    "advertisement": Form.AD,
    "news": Form.NEWS,
    "reply": Form.REPLY,
    "response": Form.REPLY,
    "answer": Form.REPLY,
}
LENGTHS = {
    "short": Length.SHORT,
    "brief": Length.SHORT,
    "quick": Length.SHORT,
    "medium": Length.MEDIUM,
    "long": Length.LONG,
    "detailed": Length.LONG,
}
_VERB = r"(?:write|draft|compose|suggest)(?: me| us)?(?: an?| the| some)?"
_MANNER = r"(?P<manner>(?: [a-z'-]+,?){0,5}?)"
WRITE = re.compile(
    rf"{_VERB}{_MANNER} (?P<form>e-?mail|mail|announcement|ad|advert|advertisement|news)"
    r"(?: (?:copy|message|article|item|story|piece|post))?"
    r"(?P<about> (?:about|on|regarding|concerning|announcing|that|saying|to|for|telling|inviting"
    r"|asking|reminding|promoting|selling|with) .+)?",
    re.IGNORECASE | re.DOTALL,
)
REPLY = re.compile(
    rf"{_VERB}{_MANNER} (?P<form>reply|response|answer)(?: to {POINTED})?"
    r"(?P<about>,? (?:about|regarding|that|saying|to|telling|asking|thanking|declining|accepting"
    r"|refusing|agreeing|with) .+)?",
    re.IGNORECASE | re.DOTALL,
)
ABOUT = re.compile(
    r"^,? (?:about|on|regarding|concerning|that says|saying that|saying) ", re.IGNORECASE
)
NOT_MANNERS = frozenset(
    {"a", "an", "the", "to", "for", "of", "that", "which", "in", "with", "at", "by", "from"}
    | {"about", "on", "as", "code", "script", "function", "program", "test", "parser", "regex"}
    | {"class", "template"}
)
"""Words that start the description of the text, rather than of its length or tone."""
VAGUE = frozenset({"this", "that", "it", "this thread", "the above", "the thread"})

COMPLETE = re.compile(
    r"(?:complete|continue|finish)"
    r"(?: this| the)?(?: text| sentence| story)?(?: ?\((?P<options>[^()]*)\))?",
    re.IGNORECASE,
)


def writing(said: Said) -> Parsed | None:
    """``write a short friendly email about …``, ``draft an announcement …``, ``draft a reply``."""
    match = WRITE.fullmatch(said.order) or REPLY.fullmatch(said.order)
    manner = _options(match["manner"]) if match else None
    if match is None or manner is None:
        return None
    form = FORMS[match["form"].lower().replace("-", "")]
    about = ABOUT.sub("", match["about"] or "", count=1).strip(" ,")
    about = "\n".join(part for part in (about, said.body) if part)
    length, tone = manner
    if form is Form.REPLY:
        return Parsed(Write(form, tone, length), about, Meant())
    if not about or about.lower().rstrip(".") in VAGUE:
        return None
    if form is Form.NEWS and about.startswith("to "):
        return None  # to the database, to the file
    return Parsed(Write(form, tone, length), about)


def _options(words: str) -> tuple[Length, str] | None:
    """The length and the tone in the words before the subject; None if the words are neither."""
    length, tone = Length.MEDIUM, []
    for word in words.lower().replace(",", " ").split():
        if word in NOT_MANNERS:
            return None
        if word in LENGTHS:
            length = LENGTHS[word]
        else:
            tone.append(word)
    return length, " ".join(tone)


def completion(said: Said) -> Parsed | None:
    """``complete: Once upon a time``, ``complete (50 tokens, seed 7): …``."""
    match = COMPLETE.fullmatch(said.order) if said.body else None
    task = complete_with(match["options"] or "") if match else None
    return Parsed(task, said.body) if task else None


OPTIONS = {
    "temperature": re.compile(r"temp(?:erature)?[ =:]+(?P<value>(?:\d*+\.)?\d+)", re.IGNORECASE),
    "top_p": re.compile(r"top[-_ ]?p[ =:]+(?P<value>(?:\d*+\.)?\d+)", re.IGNORECASE),
    "length": re.compile(
        r"(?:(?:max[-_ ]?)?(?:length|tokens)[ =:]+(?P<value>\d+)|(?P<value2>\d+) tokens?)",
        re.IGNORECASE,
    ),
    "seed": re.compile(r"seed[ =:]+(?P<value>\d+)", re.IGNORECASE),
}
MAX_TEMPERATURE = 2.0
MAX_SEED = 2**63 - 1
"""The largest seed that torch's random generator accepts."""


def complete_with(options: str) -> Complete | None:
    """The task with options such as ``temperature 0.7, top-p 0.9, 50 tokens, seed 7``.

    None if there is anything else in them, or a value that no model can use.
    """
    found: dict[str, float] = {}
    for part in filter(None, re.split(r"[,;]\s*", options.strip())):
        name = next((name for name, way in OPTIONS.items() if way.fullmatch(part)), None)
        if name is None:
            return None
        values = OPTIONS[name].fullmatch(part)
        found[name] = float(next(filter(None, values.groups()))) if values else 0.0
    plain = Complete()
    task = Complete(
        temperature=found.get("temperature", plain.temperature),
        top_p=found.get("top_p", plain.top_p),
        max_new_tokens=int(found.get("length", plain.max_new_tokens)),
        seed=int(found["seed"]) if "seed" in found else None,
    )
    return task if _is_possible(task) else None


def _is_possible(task: Complete) -> bool:
    is_sampling_possible = 0 <= task.temperature <= MAX_TEMPERATURE and 0 < task.top_p <= 1
    return is_sampling_possible and task.max_new_tokens > 0 and (task.seed or 0) <= MAX_SEED
