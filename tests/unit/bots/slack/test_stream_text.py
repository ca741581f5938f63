"""What is written into a stream: text that only grows, and in which nothing is alive."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bots.slack.stream_text import StreamedPart, answer_thread, is_direct, streamed, streamed_so_far
from shared.jobs import Origin, Platform
from tests.fakes.slack_store import find_live_mentions

TEXTS = st.text(alphabet="<@!#&lt;:/U1C channel`~\n> ", max_size=60)


@given(TEXTS)
def test_nothing_that_is_streamed_is_a_mention_or_an_address(text: str) -> None:
    written = streamed(f"{text}<!channel>&lt;!here&gt;<@U123>")

    assert list(find_live_mentions(written)) == []
    assert "&l" not in written
    assert ":/" not in written


@given(TEXTS, TEXTS)
def test_what_is_streamed_of_a_text_is_the_beginning_of_what_is_streamed_of_a_longer_one(
    text: str, more: str
) -> None:
    assert streamed(text + more).startswith(streamed(text))


@pytest.mark.parametrize(
    ("markdown", "expected"),
    [
        ("Hello", "Hello"),
        ("See `x`", "See `x`"),
        ("```py\nx = 1\n```", "```py\nx = 1"),
        ("```py\nx = 1\n``", "```py\nx = 1"),
        ("> ~~~\n> x\n> ~~~", "> ~~~\n> x"),
        ("```py", "```py"),
        ("```", ""),
    ],
)
def test_an_end_of_code_waits_until_it_is_one(markdown: str, expected: str) -> None:
    assert streamed_so_far(markdown) == expected


def test_a_rendered_part_is_its_text() -> None:
    part = StreamedPart("*bold*", "**bold**")

    assert part == "*bold*"
    assert part.markdown == "**bold**"


QUESTION = Origin(Platform.SLACK, "T1", "D1", "", "10.000100", "U1")
COMMAND = Origin(Platform.SLACK, "T1", "D1", "", "trigger", "U1", act="ask")


@pytest.mark.parametrize(
    ("origin", "direct", "thread"),
    [
        (QUESTION, True, "10.000100"),
        (Origin(Platform.SLACK, "T1", "D1", "5.000100", "10.000100", "U1"), True, "5.000100"),
        (Origin(Platform.SLACK, "T1", "C1", "5.000100", "10.000100", "U1"), False, "5.000100"),
        (COMMAND, False, ""),
    ],
    ids=["asked", "asked in a thread", "in a channel", "by a command"],
)
def test_an_answer_in_a_direct_message_stands_in_the_thread_of_its_question(
    origin: Origin, thread: str, *, direct: bool
) -> None:
    assert is_direct(origin) is direct
    assert answer_thread(origin) == thread
