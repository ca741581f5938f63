"""What the whole answer to each question is: the undisturbed model, asked about what users saw.

The history that a question's prompt begins with is what had been answered in its conversation
before. Two questions that were open at once may have been answered in either order.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from shared.jobs import Turn
from tests.chaos.checker import read_text
from tests.chaos.conversations import Question
from tests.chaos.model import Reference, Seen
from worker.prompts import chat

NEVER = float("inf")
NUM_RECENT = 4
"""No prompt reaches further back."""


@dataclass(slots=True)
class Expectation:
    """What should stand below the questions."""

    answers: dict[str, str] = field(default_factory=dict)
    """Marker -> whole answer, of every question below which some of an answer stands."""
    forgetful: list[str] = field(default_factory=list)
    """Markers of answers that are whole, but to a conversation without its beginning: somebody went
    on below a message of which the bot did not know yet that it was its own."""


def expect(
    questions: Iterable[Question],
    reference: Reference,
    system_prompt: str,
    max_turns: int,
) -> Expectation:
    """Ask the undisturbed model about every question.

    Args:
        questions: as they stand.
        reference: the undisturbed model.
        system_prompt: what the model is told first.
        max_turns: remembered messages a conversation; 0 for a system without memory.
    """
    left = {question.marker: question for question in questions if question.shown}
    full = {marker: list(_histories(question)) for marker, question in left.items()}
    options = {marker: [*full[marker], *_later_parts(full[marker])] for marker in left}
    expectation = Expectation()
    for choice in range(max(map(len, options.values()), default=0)):
        asked = [marker for marker in left if choice < len(options[marker])]
        seen = [
            Seen(
                reference.prompt(
                    chat.PromptInput(
                        system_prompt, _turns(options[m][choice], max_turns), left[m].text
                    )
                ),
                left[m].shown,
            )
            for m in asked
        ]
        for marker, answer in zip(asked, reference.expect(seen), strict=True):
            expectation.answers.setdefault(marker, answer)
            if answer.startswith(left[marker].shown):
                expectation.answers[marker] = answer
                del left[marker]
                if choice >= len(full[marker]):
                    expectation.forgetful.append(marker)
    return expectation


def _histories(question: Question) -> Iterable[tuple[Question, ...]]:
    """The histories that a question may have had, the likeliest first, each once."""
    asked = [other for other in question.spot.questions if other is not question]
    answered = [other for other in asked if _is_done(other)]
    return dict.fromkeys(
        variant
        for order in (answered, sorted(answered, key=_settled_s))
        for history in _histories_in(order, question)
        for variant in _with_swaps(history)
    )


def _histories_in(order: Sequence[Question], question: Question) -> Iterator[tuple[Question, ...]]:
    """With all that were open at the same time and asked before, then with fewer or more of them.

    Args:
        order: what was answered in the conversation, as it may have been.
        question: the one whose history it is.
    """
    sure = [other for other in order if _settled_s(other) < question.sent_at_s]
    unsure = [
        other for other in order if other not in sure and other.sent_at_s <= _settled_s(question)
    ]
    yield (*sure, *(other for other in unsure if other.marker < question.marker))
    for number in range(len(unsure) + 1):
        yield (*sure, *unsure[:number])


def _later_parts(histories: Iterable[tuple[Question, ...]]) -> Iterable[tuple[Question, ...]]:
    """The same conversations without their beginnings."""
    return dict.fromkeys(
        history[start:]
        for history in histories
        for start in range(max(1, len(history) - NUM_RECENT), len(history) + 1)
    )


def _with_swaps(history: tuple[Question, ...]) -> Iterator[tuple[Question, ...]]:
    """A history, and those in which two that were open at once were answered the other way round.

    Two messages that are sent at once may be taken by two processes.
    """
    yield history
    for place in range(max(1, len(history) - NUM_RECENT), len(history)):
        first, second = history[place - 1 : place + 1]
        if second.sent_at_s <= _settled_s(first) and first.sent_at_s <= _settled_s(second):
            yield (*history[: place - 1], second, first, *history[place + 1 :])


def _settled_s(question: Question) -> float:
    return NEVER if question.settled_at_s is None else question.settled_at_s


def _is_done(question: Question) -> bool:
    """Whether a whole answer stands there, which is what a conversation remembers."""
    if not question.shown or question.settled_at_s is None:
        return False
    visible = [post for post in question.posts if not post.is_deleted]
    return not read_text(visible[-1].texts[-1]).is_refusal


def _turns(history: Sequence[Question], max_turns: int) -> tuple[Turn, ...]:
    turns = [
        turn
        for other in history
        for turn in (Turn(chat.USER, other.text), Turn(chat.ASSISTANT, other.shown))
    ]
    return tuple(turns[-max_turns:]) if max_turns else ()
