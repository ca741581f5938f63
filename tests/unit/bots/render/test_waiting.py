"""What somebody reads who waits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bots.render.discord import render_for_discord
from bots.render.notices import (
    NEXT,
    NOBODY,
    STARTING,
    failing_notice,
    thinking_notice,
    waiting_notice,
)
from bots.render.slack import render_for_slack
from shared.jobs import QueuePosition

# state, ahead, wait in ms, ready, alive -> notice
TABLE: list[tuple[QueuePosition, str | None]] = [
    (QueuePosition("queued", 0, 9_000, 1, 1), NEXT),
    (QueuePosition("waiting", 0, None, 1, 1), NEXT),
    (QueuePosition("queued", 3, 20_000, 1, 1), "*3 ahead of you, about 20 s.*"),
    (QueuePosition("queued", 3, 20_001, 2, 2), "*3 ahead of you, about 25 s.*"),
    (QueuePosition("queued", 3, None, 1, 1), "*3 ahead of you.*"),
    (QueuePosition("queued", 1, 0, 1, 1), "*1 ahead of you, about 5 s.*"),
    (QueuePosition("queued", 1, 55_000, 1, 1), "*1 ahead of you, about 55 s.*"),
    (QueuePosition("queued", 1, 55_001, 1, 1), "*1 ahead of you, about 1 min.*"),
    (
        QueuePosition("queued", 20, 90_000, 1, 1),
        "*20 ahead of you, about 2 min.*",
    ),  # 1.5, to the even
    (
        QueuePosition("queued", 21, 149_000, 1, 1),
        "*About 20 ahead of you, about 2 min.*",
    ),  # 150 s = 2.5
    (QueuePosition("queued", 999, 3_600_000, 1, 1), "*About 1,000 ahead of you, about 60 min.*"),
    (QueuePosition("queued", 5, 20_000, 0, 1), STARTING),
    (QueuePosition("waiting", 0, None, 0, 2), STARTING),
    (QueuePosition("queued", 5, 20_000, 0, 0), NOBODY),
    (QueuePosition("queued", 5, 20_000, 0, 0, "big"), failing_notice("big")),
    (QueuePosition("waiting", 0, None, 0, 1, "big"), failing_notice("big")),
    (QueuePosition("running", 0, None, 0, 0, "big"), None),
    # begun, or over: there is nothing to wait for
    (QueuePosition("running", 0, 9_000, 1, 1), None),
    (QueuePosition("running", 0, None, 0, 0), None),
    (QueuePosition("done", 0, None, 1, 1), None),
    (QueuePosition("delivered", 0, None, 1, 1), None),
    (QueuePosition("withdrawn", 0, None, 0, 0), None),
]


@pytest.mark.parametrize(("place", "notice"), TABLE)
def test_waiting_notice_says(place: QueuePosition, notice: str | None) -> None:
    assert waiting_notice(place) == notice


@given(
    st.integers(0, 10_000),
    st.none() | st.integers(0, 10_000_000),
    st.integers(0, 3),
    st.integers(0, 3),
)
def test_waiting_notice_is_one_line_in_italics(
    num_ahead: int, wait_ms: int | None, num_ready: int, num_loading: int
) -> None:
    place = QueuePosition("queued", num_ahead, wait_ms, num_ready, num_ready + num_loading)

    notice = waiting_notice(place)

    assert notice is not None
    assert notice[0] == notice[-1] == "*"
    assert "\n" not in notice
    assert len(notice) < 120


@pytest.mark.parametrize(
    ("thinking_s", "shown"), [(0.2, "0"), (12.3, "12"), (12.9, "12"), (600, "600")]
)
def test_a_notice_says_for_how_many_whole_seconds_the_model_has_thought(
    thinking_s: float, shown: str
) -> None:
    assert thinking_notice(thinking_s) == f"*Thinking… {shown} s*"


NAMES = {
    "Qwen3-8B": "Qwen3-8B",
    "openai/gpt-oss-20b": "openai/gpt-oss-20b",
    "my_own_model.Q4_K_M": "my_own_model.Q4_K_M",
    "mistral:7b-instruct+tools": "mistral:7b-instruct+tools",
    "a *bold* `name`": "a bold name",
    "_private_": "private",
    "<@U1> <!channel> @everyone": "U1 channel everyone",
    "two\nlines": "twolines",
    "[text](https://example.org)": "texthttps://example.org",
}


@pytest.mark.parametrize("name", NAMES)
def test_a_model_is_named_and_nothing_in_its_name_is_markup(name: str) -> None:
    notice = failing_notice(name)

    begun = f"No worker can start the model {NAMES[name]} at the moment; "
    (slack,), (discord,) = render_for_slack(notice), render_for_discord(notice)
    assert str(discord).startswith(f"*{begun}")
    assert str(slack).removeprefix("_").startswith(begun), "no italics around underscores there"


def test_a_models_name_may_be_long() -> None:
    assert len(failing_notice("x" * 5_000)) < 300
