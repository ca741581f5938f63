"""What the person reads in the end."""

import pytest

from bots.render.discord import render_for_discord
from bots.render.notices import LENGTH_NOTE, final_text, with_lateness
from bots.render.slack import render_for_slack
from shared.replies import Done, Failed, Final, FinishReason

OPEN_CODE = "Here:\n```py\nprint(1)"
CLOSED_CODE = "Here:\n```py\nprint(1)\n```"

TABLE: list[tuple[Final, str]] = [
    (Done("Hello."), "Hello."),
    (Done(OPEN_CODE), OPEN_CODE),  # nothing follows; the splitter closes it
    (Done("Hello", FinishReason.LENGTH), f"Hello\n\n{LENGTH_NOTE}"),
    (Done(OPEN_CODE, FinishReason.LENGTH), f"{CLOSED_CODE}\n\n{LENGTH_NOTE}"),
    (Done(CLOSED_CODE, FinishReason.LENGTH), f"{CLOSED_CODE}\n\n{LENGTH_NOTE}"),
    (Failed("deadline", "Too late."), "Too late."),
    (Failed("deadline", "Too late.", "So far"), "So far\n\n*Too late.*"),
    (Failed("deadline", "Too late.", OPEN_CODE), f"{CLOSED_CODE}\n\n*Too late.*"),
]


@pytest.mark.parametrize(("reply", "text"), TABLE)
def test_final_text_says_the_outcome_outside_of_code(reply: Final, text: str) -> None:
    assert final_text(reply) == text


# how late, in seconds; what stands above the answer
LATE: list[tuple[float, str]] = [
    (61.0, "*(You asked this 1 minute ago, while I was away.)*"),
    (119.9, "*(You asked this 1 minute ago, while I was away.)*"),
    (240.0, "*(You asked this 4 minutes ago, while I was away.)*"),
    (3599.0, "*(You asked this 59 minutes ago, while I was away.)*"),
    (3600.0, "*(You asked this 1 hour ago, while I was away.)*"),
    (9000.0, "*(You asked this 2 hours ago, while I was away.)*"),
]


@pytest.mark.parametrize(("late_s", "label"), LATE)
def test_a_late_answer_says_how_late_it_is(late_s: float, label: str) -> None:
    assert with_lateness(late_s, "Yes.") == f"{label}\n\nYes."


def test_an_answer_in_time_has_nothing_above_it() -> None:
    assert with_lateness(0.0, "Yes.") == "Yes."


@pytest.mark.parametrize("text", ["- a\n- b", "```py\nx", "# Title", "| a |\n|---|\n| b |"])
def test_what_stands_above_a_late_answer_stays_while_it_grows(text: str) -> None:
    for render in (render_for_slack, render_for_discord):
        heads = {
            render(with_lateness(240.0, text[:length]))[0].split("\n")[0]
            for length in range(1, len(text) + 1)
        }
        assert len(heads) == 1
