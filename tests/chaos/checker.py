"""What users see in the end, judged message by message. Pure: plain data in, findings out.

Every question must have exactly one visible beginning of an answer, and what stands there must be
the one whole answer or one sentence that says why there is none. Knows no platform, no ledger and
no model: what the whole answer is, is handed in.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from bots.render.notices import LENGTH_NOTE

PLACEHOLDER = "…"
EMPHASIS = "*_"
"""How the two platforms mark a sentence that stands below an answer."""
ENDING = LENGTH_NOTE.strip(EMPHASIS)
"""What stands below each whole answer of a model that writes until its length limit."""
ANSWER = re.compile(r"([A-Za-z]*)\s*(.*)", re.DOTALL)
"""The models of the harness write letters without a blank; everything else is the product's."""
LATENESS = re.compile(r"[*_]\(You asked this [\w ]+ ago, while I was away\.\)[*_]\s*")
"""What stands above an answer to a question that was found late."""
REFUSALS = tuple(
    re.compile(pattern)
    for pattern in (
        r"I could not answer this in time\. Please ask again in a while\.",
        r"I could not answer this message \(ref \w+\)\. Please try asking differently\.",
        r"This took longer than [\d.]+ seconds, so I stopped\. Please ask again\.",
        r"Your message .* Please send a shorter one\.",
        r"There was no text in your message\. .*",
        r"I have nothing to say to that\.",
        r"I take at most [\d,]+ messages a minute .* Please ask again in about \d+ s\.",
        r"I still owe you [\d,]+ answers\. Please ask again .*",
        r"I am busy: [\d,]+ questions are waiting already\. Please ask again in about \d+ s\.",
    )
)
"""The sentences that end a message without an answer. Any other text is unfinished."""


class Outcome(StrEnum):
    """What became of a question."""

    ANSWERED = "answered"
    REFUSED = "refused with a sentence"
    LOST = "lost"
    DOUBLED = "doubled"


@dataclass(frozen=True, slots=True)
class Post:
    """One message of the bot's, as it stood at the end."""

    id: str
    texts: tuple[str, ...]
    """All that it has read, oldest first; the last one is what stands."""
    is_deleted: bool = False


@dataclass(frozen=True, slots=True)
class Finding:
    """The verdict on one question, or on a post that answers none (then without a marker)."""

    marker: str
    outcome: Outcome
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Reading:
    """A text taken apart: the model's words, and what the product wrote below them."""

    answer: str
    ending: str

    @property
    def is_refusal(self) -> bool:
        """Whether it ends in a sentence that says why there is no (whole) answer."""
        return any(pattern.fullmatch(self.ending) for pattern in REFUSALS)

    def is_final(self, ending: str = ENDING) -> bool:
        """Whether nothing more is to come.

        Args:
            ending: what stands below a whole answer.
        """
        return self.is_refusal or (bool(self.answer) and self.ending == ending)


def read_text(text: str) -> Reading:
    """Take what stands in a message apart."""
    words = LATENESS.sub("", text.strip())
    if words == PLACEHOLDER:
        return Reading("", PLACEHOLDER)
    found = ANSWER.fullmatch(words)
    assert found is not None, "the pattern fits every text"
    answer, ending = found.groups()
    if ending and not words[len(answer) :].startswith("\n"):
        # A sentence of its own: its first word is no answer.
        return Reading("", words.strip(EMPHASIS))
    return Reading(answer, ending.strip(EMPHASIS))


def judge(
    marker: str, posts: Sequence[Post], expected: str | None, ending: str = ENDING
) -> Finding:
    """The verdict on one question.

    Args:
        marker: the question's name.
        posts: what replies to it, oldest first, deleted ones too.
        expected: the whole answer as the undisturbed model writes it; None if it was not asked
            because nothing of an answer stands there.
        ending: what stands below a whole answer.
    """
    visible = [post for post in posts if not post.is_deleted]
    if not visible:
        return Finding(marker, Outcome.LOST, "nothing stands there")
    readings = [read_text(post.texts[-1]) for post in visible]
    answer = "".join(reading.answer for reading in readings)
    is_one = expected is None or expected.startswith(answer)
    if len(visible) > 1 and not (is_one and _are_parts(readings)):
        return Finding(marker, Outcome.DOUBLED, f"{len(visible)} messages begin an answer")
    if not is_one or _has_restarted(visible):
        return Finding(marker, Outcome.DOUBLED, "it is not one continuous answer")
    last = readings[-1]
    if last.is_refusal:
        return Finding(marker, Outcome.REFUSED)
    if answer and answer == expected and last.ending == ending:
        return Finding(marker, Outcome.ANSWERED)
    return Finding(marker, Outcome.LOST, "it was never finished")


def check(
    posts: Mapping[str, Sequence[Post]],
    strays: Iterable[Post],
    expected: Mapping[str, str],
    ending: str = ENDING,
) -> list[Finding]:
    """The verdicts on all questions and on all posts that answer none.

    Args:
        posts: marker of each question that was sent -> what replies to it, oldest first.
        strays: posts of the bot that reply to no question.
        expected: marker -> the whole answer.
        ending: what stands below a whole answer.
    """
    findings = [judge(m, replies, expected.get(m), ending) for m, replies in posts.items()]
    findings += [
        Finding("", Outcome.DOUBLED, "it answers nothing that was asked")
        for post in strays
        if not post.is_deleted
    ]
    return findings


def count(findings: Iterable[Finding]) -> Counter[Outcome]:
    """How often each outcome was found."""
    return Counter(finding.outcome for finding in findings)


def _are_parts(readings: Sequence[Reading]) -> bool:
    """Whether several messages are the parts of one long answer: each with words, one ending."""
    return all(reading.answer for reading in readings) and not any(
        reading.ending for reading in readings[:-1]
    )


def _has_restarted(visible: Sequence[Post]) -> bool:
    """Whether a message has read something that what stands there does not go on from."""
    for post in visible:
        stands = read_text(post.texts[-1]).answer
        if any(not stands.startswith(read_text(text).answer) for text in post.texts):
            return True
    return False
