"""What the ids of buttons say."""

import pytest

from bots.discord.views.buttons import ButtonAction, id_of, is_stop_sign, job_of

JOB = "abcdefghij234567abcd"


@pytest.mark.parametrize("button_action", ButtonAction)
def test_a_button_is_known_by_its_id_alone(button_action: ButtonAction) -> None:
    assert id_of(button_action, JOB) == f"parley:{button_action.value}:{JOB}"
    assert len(id_of(button_action, JOB)) <= 100
    assert job_of(["theirs", id_of(button_action, JOB)]) == JOB


@pytest.mark.parametrize("other", [f"parley:stop:{JOB}x", f"parley:drop:{JOB}", "parley:stop:", ""])
def test_other_ids_name_no_job(other: str) -> None:
    assert job_of([other]) == ""


@pytest.mark.parametrize(
    ("emoji", "stops"), [("⏹", True), ("⏹️", True), ("⏸️", False), ("👍", False)]
)
def test_a_stop_sign_is_known_with_and_without_its_style(emoji: str, *, stops: bool) -> None:
    assert is_stop_sign(emoji) is stops
