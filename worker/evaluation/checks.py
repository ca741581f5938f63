"""Small checks of a chat model's text, each of which a person can repeat by eye. Pure.

No model judges another one's words here: an answer is right if it holds the passage's word, a draft
if it holds the given facts and does not repeat itself.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from shared.tasks import Form, Length, Write


@dataclass(frozen=True, slots=True)
class ComprehensionCheck:
    """A question that a passage answers with one word."""

    passage: str
    question: str
    answer: str


READINGS = (
    ComprehensionCheck("The office in Lyon opens at 9.", "When does the office in Lyon open?", "9"),
    ComprehensionCheck("Ana leads the search team.", "Who leads the search team?", "Ana"),
    ComprehensionCheck(
        "The backup runs every Sunday.", "On which day does the backup run?", "Sunday"
    ),
    ComprehensionCheck("Refunds take 14 days.", "How many days do refunds take?", "14"),
    ComprehensionCheck("The new logo is green.", "Which colour is the new logo?", "green"),
    ComprehensionCheck("The party is on the roof.", "Where is the party?", "roof"),
    ComprehensionCheck("Ben sold the old server to Oslo.", "To which city was it sold?", "Oslo"),
    ComprehensionCheck(
        "We use PostgreSQL for orders.", "Which database holds orders?", "PostgreSQL"
    ),
    ComprehensionCheck("Visitors need a badge.", "What do visitors need?", "badge"),
    ComprehensionCheck("The train leaves from platform 4.", "From which platform?", "4"),
)


@dataclass(frozen=True, slots=True)
class DraftingCheck:
    """A requested draft, and the words that it must contain."""

    task: Write
    about: str
    facts: tuple[str, ...]


DRAFTINGS = (
    DraftingCheck(
        Write(Form.EMAIL), "the meeting with Ana on Friday at 10", ("Ana", "Friday", "10")
    ),
    DraftingCheck(Write(Form.ANNOUNCEMENT), "the office in Lyon closes in May", ("Lyon", "May")),
    DraftingCheck(Write(Form.AD), "Lumo, a lamp for 30 euros", ("Lumo", "30")),
    DraftingCheck(Write(Form.NEWS), "a new bridge over the Elbe in Dresden", ("Elbe", "Dresden")),
    DraftingCheck(
        Write(Form.EMAIL, "friendly", Length.SHORT), "Ben's birthday on Monday", ("Ben", "Monday")
    ),
)
REPEATED_WORDS = 6
"""The same run of at most so many words three times in a row is a repetition."""
MIN_SENTENCE_CHARS = 20
"""Shorter sentences may repeat, such as a greeting."""


def is_read(answer: str, reading: ComprehensionCheck) -> bool:
    """Whether an answer holds the passage's word."""
    return re.search(rf"\b{re.escape(reading.answer)}\b", answer, re.IGNORECASE) is not None


def share_of_facts(draft: str, facts: Sequence[str]) -> float:
    """The share of the facts that a draft contains, from 0 to 1."""
    return sum(fact.casefold() in draft.casefold() for fact in facts) / len(facts)


def runs_in_circles(text: str) -> bool:
    """Whether a text repeats the same sentence or run of words."""
    words = text.split()
    starts = ((size, start) for size in range(1, REPEATED_WORDS + 1) for start in range(len(words)))
    if any(_is_circle(words[start : start + 3 * size], size) for size, start in starts):
        return True
    sentences = [part.strip() for part in re.split(r"[.!?\n]", text)]
    long = [sentence for sentence in sentences if len(sentence) >= MIN_SENTENCE_CHARS]
    return len(long) != len(set(long))


def _is_circle(words: Sequence[str], size: int) -> bool:
    """Whether these are three times the same run."""
    return len(words) == 3 * size and words[:size] == words[size : 2 * size] == words[2 * size :]


@dataclass(frozen=True, slots=True)
class Candidate:
    """The measurements of one model."""

    name: str
    millions: float
    """Millions of parameters."""
    load_s: float
    peak_mb: float
    tokens_per_s_1: float
    tokens_per_s_8: float
    reading: float
    """Share of correct answers about a passage, 0 to 1."""
    writing: float
    """Share of facts in drafts, none for drafts that repeat themselves, 0 to 1."""
    chrf: float
    chrf_copy: float


MIN_TOKENS_PER_S = 5.0
"""About the reading speed of people: 240 words a minute."""
RULES = (
    (
        f"Recommended: of the models that write at least {MIN_TOKENS_PER_S:g} tokens/s for one "
        "request here, the one with the highest mean of reading and writing; between equals the "
        "one with less memory."
    ),
    (
        "A model whose chrF is not above that of the untranslated source should not translate: set "
        "PARLEY_TRANSLATION_MODEL."
    ),
)


def recommended(candidates: Sequence[Candidate]) -> Candidate | None:
    """The recommended model by the rules; None if all are too slow."""
    quick = [each for each in candidates if each.tokens_per_s_1 >= MIN_TOKENS_PER_S]
    return max(quick, key=lambda each: (_quality(each), -each.peak_mb), default=None)


def _quality(candidate: Candidate) -> float:
    return round((candidate.reading + candidate.writing) / 2, 2)


def can_translate(candidate: Candidate) -> bool:
    """Whether its translations are better than the untranslated source."""
    return candidate.chrf > candidate.chrf_copy
