"""The checker catches what it is there to catch: each case is a history as users saw it."""

import pytest

from tests.chaos.checker import (
    ENDING,
    PLACEHOLDER,
    Finding,
    Outcome,
    Post,
    check,
    count,
    judge,
    read_text,
)

WHOLE = "abcdefgh"
FINAL = f"{WHOLE}\n\n*{ENDING}*"
SLACK_FINAL = f"{WHOLE}\n\n_{ENDING}_"
REFUSED = "I could not answer this in time. Please ask again in a while."


def post(*texts: str, is_deleted: bool = False) -> Post:
    return Post("1", texts, is_deleted)


@pytest.mark.parametrize(
    ("posts", "outcome"),
    [
        ([post(FINAL)], Outcome.ANSWERED),
        ([post(PLACEHOLDER, "abc", SLACK_FINAL)], Outcome.ANSWERED),
        ([post("abc", is_deleted=True), post(FINAL)], Outcome.ANSWERED),
        ([post(PLACEHOLDER, REFUSED)], Outcome.REFUSED),
        ([post("abc", f"abc\n\n*{REFUSED}*")], Outcome.REFUSED),
        # parts of one long answer
        ([post("abcd"), post(f"efgh\n\n*{ENDING}*")], Outcome.ANSWERED),
        ([post("abcd"), post("ef")], Outcome.LOST),
        # lost
        ([], Outcome.LOST),
        ([post(FINAL, is_deleted=True)], Outcome.LOST),
        ([post(PLACEHOLDER)], Outcome.LOST),
        ([post(PLACEHOLDER, "abc")], Outcome.LOST),
        ([post(WHOLE)], Outcome.LOST),  # whole to the eye, but its last edit never came
        ([post(f"abc\n\n*{ENDING}*")], Outcome.LOST),  # said to be whole, and is not
        ([post(FINAL, "abc")], Outcome.DOUBLED),  # a late partial text covers the final one
        ([post("The model is starting; you are number 3.")], Outcome.LOST),
        # doubled
        ([post(FINAL), post(FINAL)], Outcome.DOUBLED),
        ([post(FINAL), post(PLACEHOLDER)], Outcome.DOUBLED),
        ([post(PLACEHOLDER), post(PLACEHOLDER, FINAL)], Outcome.DOUBLED),
        ([post("abcd"), post(FINAL)], Outcome.DOUBLED),
        ([post(FINAL), post(REFUSED)], Outcome.DOUBLED),
        # wrongly resumed
        ([post("abc", f"abcabcdefgh\n\n*{ENDING}*")], Outcome.DOUBLED),
        ([post("abc", f"abcefgh\n\n*{ENDING}*")], Outcome.DOUBLED),
        ([post("abX", FINAL)], Outcome.DOUBLED),
        ([post(f"{WHOLE}i\n\n*{ENDING}*")], Outcome.DOUBLED),
    ],
)
def test_history_has_its_verdict(posts: list[Post], outcome: Outcome) -> None:
    assert judge("q1", posts, WHOLE).outcome is outcome


def test_refusal_needs_no_known_answer() -> None:
    assert judge("q1", [post(REFUSED)], None).outcome is Outcome.REFUSED


def test_answer_of_another_question_is_no_answer() -> None:
    assert judge("q1", [post(FINAL)], "zyxwvuts").outcome is Outcome.DOUBLED


def test_answer_without_an_ending_is_whole_where_none_is_written() -> None:
    assert judge("q1", [post(WHOLE)], WHOLE, ending="").outcome is Outcome.ANSWERED


def test_all_questions_and_strays_are_counted() -> None:
    posts = {"q1": [post(FINAL)], "q2": [post(REFUSED)], "q3": [], "q4": [post("a"), post("a")]}
    strays = [post(FINAL), post(FINAL, is_deleted=True)]

    found = count(check(posts, strays, dict.fromkeys(posts, WHOLE)))

    assert found == {
        Outcome.ANSWERED: 1,
        Outcome.REFUSED: 1,
        Outcome.LOST: 1,
        Outcome.DOUBLED: 2,  # q4 and the stray
    }


def test_finding_says_why() -> None:
    assert judge("q1", [], None) == Finding("q1", Outcome.LOST, "nothing stands there")


@pytest.mark.parametrize(
    ("text", "answer", "ending", "is_final"),
    [
        (f"*(You asked this 2 minutes ago, while I was away.)*\n\n{FINAL}", WHOLE, ENDING, True),
        ("*You are next.*", "", "You are next.", False),
        ("_3 ahead of you, about 15 s._", "", "3 ahead of you, about 15 s.", False),
        (PLACEHOLDER, "", PLACEHOLDER, False),
        ("abc", "abc", "", False),
        (FINAL, WHOLE, ENDING, True),
        (ENDING, "", ENDING, False),
        (REFUSED, "", REFUSED, True),
    ],
)
def test_text_is_taken_apart(text: str, answer: str, ending: str, *, is_final: bool) -> None:
    reading = read_text(text)
    assert (reading.answer, reading.ending, reading.is_final()) == (answer, ending, is_final)
