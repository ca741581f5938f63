"""Buttons under an answer: what Slack is given, and what comes back of it."""

from typing import Any

import pytest

from bots.delivery.buttons import AnswerButtons
from bots.slack.views.buttons import Look, SlackButtonPress, read_press, with_controls

JOB = "abcdefghij0123456789"
PRESSED: dict[str, Any] = {
    "type": "block_actions",
    "user": {"id": "U1"},
    "channel": {"id": "C1"},
    "trigger_id": "1.2.3",
    "response_url": "https://hooks.slack.com/actions/1",
    "actions": [{"action_id": "parley:stop", "value": JOB}],
}


def rows(content: dict[str, Any]) -> list[list[str]]:
    """The buttons of each row."""
    found = [block["elements"] for block in content["blocks"] if "elements" in block]
    return [[element["action_id"] for element in row] for row in found]


@pytest.mark.parametrize(
    ("controls", "look", "expected"),
    [
        (AnswerButtons.NONE, Look.FEEDBACK, []),
        (AnswerButtons.RUNNING, Look.FEEDBACK, [["parley:stop"]]),
        (AnswerButtons.DONE, Look.FEEDBACK, [["parley:retry"], ["parley:feedback"]]),
        (AnswerButtons.DONE, Look.PLAIN, [["parley:retry", "parley:good", "parley:bad"]]),
        (
            AnswerButtons.THOUGHT,
            Look.FEEDBACK,
            [["parley:retry", "parley:thought"], ["parley:feedback"]],
        ),
        (
            AnswerButtons.THOUGHT,
            Look.PLAIN,
            [["parley:retry", "parley:thought", "parley:good", "parley:bad"]],
        ),
    ],
)
def test_each_state_of_an_answer_has_its_buttons(
    controls: AnswerButtons, look: Look, expected: list[list[str]]
) -> None:
    content = with_controls({"text": "Hello"}, controls, JOB, look)

    assert rows(content) == expected
    assert content["text"] == "Hello"


def test_without_buttons_an_edit_takes_those_away_that_stood_there() -> None:
    assert with_controls({"text": "Hello"}, AnswerButtons.NONE, JOB) == {
        "text": "Hello",
        "blocks": [],
    }


@pytest.mark.parametrize("length", [1, 2_999, 3_000, 3_001, 3_500, 12_000])
def test_a_long_text_needs_several_sections_and_loses_nothing(length: int) -> None:
    text = ("0123456789 " * (length // 11 + 1))[:length].strip() or "x"

    content = with_controls({"text": text}, AnswerButtons.RUNNING, JOB)

    sections = [b["text"]["text"] for b in content["blocks"] if b["type"] == "section"]
    assert "".join(sections) == text
    assert all(0 < len(section) <= 3_000 for section in sections)


def test_a_picture_stays_between_text_and_buttons() -> None:
    picture = {"type": "image", "slack_file": {"id": "F1"}, "alt_text": "a curve"}

    content = with_controls({"text": "Look", "blocks": [picture]}, AnswerButtons.DONE, JOB)

    assert [block["type"] for block in content["blocks"]] == ["image", "actions", "context_actions"]


def test_a_press_names_the_verb_the_job_and_the_person() -> None:
    assert read_press(PRESSED) == SlackButtonPress(
        "stop", JOB, "U1", "C1", "1.2.3", "https://hooks.slack.com/actions/1"
    )


@pytest.mark.parametrize("verdict", ["good", "bad"])
def test_feedback_has_its_verdict_in_its_value(verdict: str) -> None:
    action = {"action_id": "parley:feedback", "value": f"{verdict}:{JOB}"}

    press = read_press({**PRESSED, "actions": [action]})

    assert press is not None
    assert (press.button_action, press.value) == (verdict, JOB)


@pytest.mark.parametrize(
    "changed",
    [
        {"actions": []},
        {"actions": None},
        {"actions": [7]},
        {"actions": [{"action_id": "other:stop", "value": JOB}]},
        {"actions": [{}]},
        {"user": None},
        {"user": {}},
    ],
)
def test_what_is_no_button_of_ours_is_none(changed: dict[str, Any]) -> None:
    assert read_press({**PRESSED, **changed}) is None


def test_a_press_in_a_view_says_in_which() -> None:
    window = read_press({**PRESSED, "channel": None, "view": {"id": "V1", "type": "modal"}})
    home = read_press({**PRESSED, "channel": None, "view": {"id": "V2", "type": "home"}})

    assert window is not None
    assert home is not None
    assert (window.view, window.is_in_modal, window.channel) == ("V1", True, "")
    assert (home.view, home.is_in_modal) == ("V2", False)
