"""Which buttons an answer has, and whether each platform has room for them."""

import dataclasses

import pytest

from bots.delivery.buttons import AnswerButtons, buttons_for
from bots.discord.views.buttons import BUTTONS
from shared.jobs import Audience, Job, Kind, Origin, Platform, make_job

MAX_BUTTONS = 5
"""Discord's documentation, Components Reference: buttons in an action row."""
HERE = Origin(Platform.DISCORD, "1", "2", "", "3", "4")
PRIVATE = dataclasses.replace(HERE, audience=Audience.ASKER)
CHAT = make_job(Kind.CHAT, HERE, "hello")


@pytest.mark.parametrize(
    ("job", "is_over", "has_thought", "expected"),
    [
        (CHAT, False, False, AnswerButtons.RUNNING),
        (CHAT, True, False, AnswerButtons.DONE),
        (CHAT, True, True, AnswerButtons.THOUGHT),
        (CHAT, False, True, AnswerButtons.RUNNING),
        (make_job(Kind.CHAT, PRIVATE, "hello"), True, True, AnswerButtons.NONE),
        (make_job(Kind.NEW, HERE, "/new"), True, True, AnswerButtons.NONE),
    ],
)
def test_a_finished_answer_with_a_thought_has_one_button_more(
    job: Job, expected: AnswerButtons, *, is_over: bool, has_thought: bool
) -> None:
    assert buttons_for(job, is_over=is_over, has_thought=has_thought) is expected


@pytest.mark.parametrize("controls", AnswerButtons)
def test_a_row_of_buttons_is_no_longer_than_discord_allows(controls: AnswerButtons) -> None:
    assert len(BUTTONS[controls]) <= MAX_BUTTONS
    assert controls.is_over == (len(BUTTONS[controls]) > 1)
