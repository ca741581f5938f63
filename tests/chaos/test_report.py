"""The closing line, and what a developer reads about a failure."""

from tests.chaos.checker import Finding, Outcome, Post
from tests.chaos.conversations import Question, Spot
from tests.chaos.report import Kills, Result, closing_line, describe_case

FINDINGS = [
    *(Finding(f"q{k}", Outcome.ANSWERED) for k in range(5)),
    Finding("q5", Outcome.REFUSED),
    Finding("q6", Outcome.LOST, "nothing stands there"),
    Finding("q7", Outcome.DOUBLED, "2 messages begin an answer"),
]


def test_closing_line_has_every_number_in_its_place() -> None:
    recoveries_s = [k / 10 for k in range(1, 101)]  # 0.1 to 10.0: nearest ranks 50 and 95

    line = closing_line(Result(FINDINGS, 8, recoveries_s, Kills(5, 3, 1)))

    assert line == (
        "accepted 8 · answered 5 · refused with a sentence 1 · lost 1 · doubled 1 · "
        "recovery 5.0/9.5 s · kills 5 workers, 3 bots, 1 redis"
    )


def test_nothing_recovered_is_a_dash() -> None:
    assert "recovery -/- s" in closing_line(Result([], 0, [], Kills(0, 0, 0)))


def test_lost_and_doubled_are_broken_promises() -> None:
    assert Result(FINDINGS, 8, [], Kills(0, 0, 0)).num_broken == 2
    assert Result(FINDINGS[:6], 6, [], Kills(0, 0, 0)).num_broken == 0


def test_failure_says_what_was_asked_what_stands_there_and_what_the_ledger_knows() -> None:
    question = Question("q7", "q7 why", Spot("slack", "C1", "U1", root="1.1"), 0.0, "jobid", "1.2")
    question.posts = [Post("1.3", ("…", "abc")), Post("1.4", ("xyz",), is_deleted=True)]

    text = describe_case(FINDINGS[-1], question, "abcdef", {"state": "delivered"})

    for part in ("doubled", "q7 why", "slack", "C1", "1.1", "jobid", "'…' → 'abc'", "(deleted)"):
        assert part in text
    assert "'abcdef'" in text
    assert "'state': 'delivered'" in text
