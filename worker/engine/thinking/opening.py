"""How a prompt begins an answer: with a thought to come, going on, ended, or without one."""
# Pure. Uses jinja2.

from dataclasses import dataclass

from shared.jobs import Effort
from shared.replies import ThoughtSoFar
from worker.engine.protocol import NO_THINKING, Thinking
from worker.engine.thinking.notation import (
    BUDGET,
    CHANNEL,
    DEGREES,
    FINAL,
    MESSAGE,
    NO_NOTATION,
    SWITCHES,
    Notation,
    Tags,
)
from worker.engine.thinking.splitter import Start

EFFORTS = {Effort.OFF: "low", Effort.HARD: "high"}
"""The values of ``reasoning_effort`` that all templates with it know, beside medium."""
NO_THOUGHT = ThoughtSoFar("")


@dataclass(frozen=True, slots=True)
class ThinkingTerms:
    """What a prompt has to say about thoughts."""

    notation: Notation = NO_NOTATION
    thinking: Thinking = NO_THINKING
    thought: ThoughtSoFar = NO_THOUGHT
    """That of an earlier run, which is continued."""

    @property
    def is_off(self) -> bool:
        """Whether the model shall not think."""
        return self.thinking.effort is Effort.OFF or self.thinking.max_tokens == 0


NO_TERMS = ThinkingTerms()


def arguments_of(terms: ThinkingTerms) -> dict[str, bool | str | int]:
    """The arguments of the chat template; only those that it reads."""
    known, effort = terms.notation.arguments, terms.thinking.effort
    said: dict[str, bool | str | int] = {}
    if terms.is_off or effort in (Effort.ON, Effort.HARD):
        said.update(dict.fromkeys(SWITCHES & known, not terms.is_off))
    wanted = Effort.OFF if terms.is_off else effort
    if DEGREES in known and wanted in EFFORTS:
        said[DEGREES] = EFFORTS[wanted]
    if BUDGET in known:
        said[BUDGET] = terms.thinking.max_tokens
    return said


def opened(layout: str, terms: ThinkingTerms, shown: str) -> tuple[str, Start]:
    """A prompt's text with the beginning of the answer, and where the model goes on.

    Args:
        layout: the conversation, as the chat template has it.
        terms: the notation, the effort, and the thought so far.
        shown: the answer so far.
    """
    notation = terms.notation
    if notation.habit:
        if shown or notation.habit.is_plain:
            return layout + shown, Start.WRITING
        # told not to think: an answer of full length without a mark is no thought
        return layout, Start.ANSWER if terms.is_off else Start.UNKNOWN
    if notation.has_channels:
        return _in_channels(layout, terms, shown)
    if notation.tags is None:
        return layout + shown, Start.WRITING if shown else Start.ANSWER
    return _in_tags(layout, terms, notation.tags, shown)


def after_thought(thought: str, notation: Notation, start: Start) -> str:
    """What follows a prompt whose thought has ended, so that the answer begins.

    Args:
        thought: what was written behind the prompt.
        notation: the model's.
        start: where the prompt ends.
    """
    beginning = ""
    if start is not Start.THOUGHT:
        beginning = ANALYSIS if notation.has_channels else _beginning_of(notation)
    return f"{beginning}{thought.rstrip()}{_closing_of(notation)}"


ANALYSIS = f"{CHANNEL}analysis{MESSAGE}"


def _beginning_of(notation: Notation) -> str:
    tags = notation.known_tags[0]
    return f"{tags.opening}{tags.label}\n"


def _closing_of(notation: Notation) -> str:
    if notation.has_channels:
        return f"<|end|><|start|>assistant{CHANNEL}{FINAL}{MESSAGE}"
    return f"\n{notation.known_tags[0].closing}\n\n"


def _in_channels(layout: str, terms: ThinkingTerms, shown: str) -> tuple[str, Start]:
    thought = terms.thought
    analysis = f"{ANALYSIS}{thought.text}" if thought.text else ""
    if analysis and not (shown or thought.is_over or terms.is_off):
        return layout + analysis, Start.THOUGHT
    if not (shown or analysis or terms.is_off):
        return layout, Start.ANSWER
    begun = analysis + _closing_of(terms.notation) if analysis else f"{CHANNEL}{FINAL}{MESSAGE}"
    return layout + begun + shown, Start.WRITING


def _in_tags(layout: str, terms: ThinkingTerms, tags: Tags, shown: str) -> tuple[str, Start]:
    thought = terms.thought
    is_open = layout.rpartition(tags.closing)[2].rstrip().endswith(tags.opening)
    is_closed = layout.rstrip().endswith(tags.closing)
    if is_closed or (thought.text and terms.is_off):
        thought = NO_THOUGHT
    beginning = "" if is_open else _beginning_of(terms.notation)
    if thought.text and not (shown or thought.is_over):
        return layout + beginning + thought.text, Start.THOUGHT
    is_over = bool(shown) or thought.is_over or terms.is_off
    if not is_over:
        return layout, Start.THOUGHT if is_open else Start.ANSWER
    if is_closed:
        return layout + shown, Start.WRITING
    knows_switch = bool(terms.notation.arguments & SWITCHES)
    if not (is_open or thought.text or not knows_switch):
        return layout + shown, Start.WRITING
    return layout + beginning + thought.text + _closing_of(terms.notation) + shown, Start.WRITING
