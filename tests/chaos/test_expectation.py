"""Which answers may have been remembered when a question was asked."""

from pathlib import Path

import pytest

from shared.jobs import Turn
from tests.chaos.checker import Post
from tests.chaos.conversations import Question, Spot
from tests.chaos.expectation import expect
from tests.chaos.model import Reference, Seen, save_model
from worker.prompts import chat

NUM_LETTERS, MAX_TURNS, SYSTEM = 16, 4, "Answer."


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Reference:
    return Reference(save_model(Path(tmp_path_factory.mktemp("model"))), NUM_LETTERS)


def write(reference: Reference, text: str, *history: Question) -> str:
    """What the model writes after this history."""
    turns = [t for q in history for t in (Turn("user", q.text), Turn("assistant", q.shown))]
    prompt = reference.prompt(chat.PromptInput(SYSTEM, tuple(turns[-MAX_TURNS:]), text))
    return reference.expect([Seen(prompt, "")])[0]


def ask(spot: Spot, name: str, sent_at_s: float, settled_at_s: float, answer: str) -> Question:
    question = Question(name, f"{name} why", spot, sent_at_s, settled_at_s=settled_at_s)
    question.posts = [Post(name, (answer,))]
    spot.questions.append(question)
    return question


def test_answers_before_are_remembered(reference: Reference) -> None:
    spot = Spot("slack", "C1", "U1")
    first = ask(spot, "q1", 0, 1, write(reference, "q1 why"))
    second = ask(spot, "q2", 2, 3, write(reference, "q2 why", first))

    expectation = expect([first, second], reference, SYSTEM, MAX_TURNS)

    assert expectation.answers == {"q1": first.shown, "q2": second.shown}
    assert expectation.forgetful == []


@pytest.mark.parametrize("is_swapped", [False, True])
def test_two_that_were_open_at_once_may_be_remembered_either_way(
    reference: Reference, *, is_swapped: bool
) -> None:
    spot = Spot("slack", "C1", "U1")
    one, two = ("q2", "q1") if is_swapped else ("q1", "q2")
    begun = {}
    begun[one] = ask(spot, one, 0, 5, write(reference, f"{one} why"))
    begun[two] = ask(spot, two, 0, 5, write(reference, f"{two} why", begun[one]))
    spot.questions.sort(key=lambda question: question.marker)  # as they were asked
    third = ask(spot, "q3", 6, 7, write(reference, "q3 why", begun[one], begun[two]))

    expectation = expect([third], reference, SYSTEM, MAX_TURNS)

    assert expectation.answers == {"q3": third.shown}
    assert expectation.forgetful == []


def test_answer_that_forgot_its_conversation_is_whole_and_named(reference: Reference) -> None:
    spot = Spot("slack", "C1", "U1")
    ask(spot, "q1", 0, 1, write(reference, "q1 why"))
    second = ask(spot, "q2", 2, 3, write(reference, "q2 why"))

    expectation = expect([second], reference, SYSTEM, MAX_TURNS)

    assert expectation.answers == {"q2": second.shown}
    assert expectation.forgetful == ["q2"]


def test_answer_of_another_conversation_is_not_expected(reference: Reference) -> None:
    spot, other = Spot("slack", "C1", "U1"), Spot("slack", "C2", "U1")
    theirs = ask(other, "q1", 0, 1, write(reference, "q1 why"))
    ours = ask(spot, "q2", 2, 3, write(reference, "q2 why", theirs))

    expectation = expect([ours], reference, SYSTEM, MAX_TURNS)

    assert expectation.answers == {"q2": write(reference, "q2 why")}


def test_refusals_are_not_remembered(reference: Reference) -> None:
    spot = Spot("slack", "C1", "U1")
    ask(spot, "q1", 0, 1, "I could not answer this in time. Please ask again in a while.")
    second = ask(spot, "q2", 2, 3, write(reference, "q2 why"))

    assert expect([second], reference, SYSTEM, MAX_TURNS).answers == {"q2": second.shown}


def test_what_has_no_answer_has_no_expectation(reference: Reference) -> None:
    spot = Spot("slack", "C1", "U1")
    lost = ask(spot, "q1", 0, 1, "…")

    assert expect([lost], reference, SYSTEM, MAX_TURNS).answers == {}
