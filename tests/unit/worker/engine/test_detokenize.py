"""Text that may be shown: whole characters, and nothing of a stop text."""

from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.replies import FinishReason
from worker.engine.detokenize import REPLACEMENT, Arrival, StopTexts, TextStream, pieces_of
from worker.engine.protocol import Thought

ANY_TEXT = st.text(alphabet=st.characters(codec="utf-8", exclude_characters=REPLACEMENT))
FLAG = "\U0001f1e9\U0001f1ea"
STOP = ("\nUser:", "\nParley:")
STOP_PIECES = st.lists(
    st.sampled_from(["\n", "U", "User:", "Par", "ley:", "\nUser:", ":", " a"]), max_size=12
)


def decode_bytes(token_ids: Sequence[int]) -> str:
    """One token a byte, as byte-level tokenizers do with what they have no word for."""
    return bytes(token_ids).decode(errors="replace")


def cut(items: Sequence[int], data: st.DataObject) -> list[Sequence[int]]:
    """The items in steps of any size."""
    steps: list[Sequence[int]] = []
    while items:
        size = data.draw(st.integers(1, 4))
        steps.append(items[:size])
        items = items[size:]
    return steps


@given(ANY_TEXT, ANY_TEXT, st.data())
def test_text_stream_never_halves_a_character(prompt: str, text: str, data: st.DataObject) -> None:
    stream = TextStream(decode_bytes, list(prompt.encode()))

    pieces = [stream.push(step) for step in cut(list(text.encode()), data)]

    assert "".join(pieces) == text
    assert not any(REPLACEMENT in piece for piece in pieces)


@pytest.mark.parametrize("text", ["\u00e9", "\u4e2d\u6587", "\U0001f600", FLAG, "e\u0301", "a\0b"])
def test_text_stream_gives_a_character_with_its_last_byte(text: str) -> None:
    stream = TextStream(decode_bytes, list(b"prompt"))

    pieces = [stream.push([byte]) for byte in text.encode()]

    assert [piece for piece in pieces if piece] == list(text)
    assert pieces[-1] == text[-1]


def test_text_stream_begins_in_the_middle_of_a_prompts_character() -> None:
    # the last 6 tokens of the prompt begin with the second byte of a character
    stream = TextStream(decode_bytes, list("\U0001f600abc".encode()))

    assert [stream.push([byte]) for byte in b"de"] == ["d", "e"]


def test_text_stream_goes_on_after_bytes_that_are_no_character() -> None:
    stream = TextStream(decode_bytes, [])

    pieces = [stream.push([byte]) for byte in b"a\xffb"]

    assert "".join(pieces) == f"a{REPLACEMENT}b"


def test_text_stream_takes_no_tokens() -> None:
    assert TextStream(decode_bytes, []).push([]) == ""


WORDS = {1: "\u2581Hello", 2: "\u2581world", 3: "!"}


def decode_words(token_ids: Sequence[int]) -> str:
    """As SentencePiece: the blank before the first word is dropped."""
    return "".join(WORDS[token] for token in token_ids).replace("\u2581", " ").removeprefix(" ")


def test_text_stream_keeps_the_blank_before_a_word() -> None:
    stream = TextStream(decode_words, [1])

    assert [stream.push([token]) for token in (2, 2, 3)] == [" world", " world", "!"]


@given(st.integers(0, 300))
def test_text_stream_decodes_no_more_for_a_longer_answer(length: int) -> None:
    sizes: list[int] = []

    def decode(token_ids: Sequence[int]) -> str:
        sizes.append(len(token_ids))
        return decode_bytes(token_ids)

    stream = TextStream(decode, list(b"a prompt"))
    for _ in range(length):
        stream.push(list(b"x"))

    assert max(sizes, default=0) <= 7  # 6 of the prompt and a new one


def first_stop(text: str, stops: Sequence[str]) -> int:
    """Where the first stop text begins, or the end of the text."""
    return min((at for at in (text.find(stop) for stop in stops) if at >= 0), default=len(text))


@given(STOP_PIECES)
def test_stop_texts_give_the_text_up_to_the_first_stop(pieces: list[str]) -> None:
    stops = StopTexts(STOP)
    text = "".join(pieces)

    answer = "".join([*(stops.push(piece) for piece in pieces), stops.flush()])

    assert answer == text[: first_stop(text, STOP)]
    assert stops.is_stopped == any(stop in text for stop in STOP)


@given(
    st.lists(st.text(alphabet="ab", max_size=4), max_size=8),
    st.lists(st.text(alphabet="ab", min_size=1, max_size=4), max_size=3),
)
def test_stop_texts_of_any_shape_never_appear(pieces: list[str], stop: list[str]) -> None:
    stops = StopTexts(stop)

    answer = "".join([*(stops.push(piece) for piece in pieces), stops.flush()])

    assert "".join(pieces).startswith(answer)
    assert not any(text in answer for text in stop)


@given(STOP_PIECES)
def test_stop_texts_show_no_beginning_of_a_stop_before_it_is_certain(pieces: list[str]) -> None:
    stops = StopTexts(STOP)
    beginnings = [stop[:length] for stop in STOP for length in range(1, len(stop))]
    shown, pushed = "", ""

    for piece in pieces:
        pushed += piece
        shown += stops.push(piece)
        doubtful = [len(beginning) for beginning in beginnings if pushed.endswith(beginning)]
        assert stops.is_stopped or len(shown) <= len(pushed) - max(doubtful, default=0)


@given(STOP_PIECES)
def test_stop_texts_hold_back_no_more_than_may_be_a_stop(pieces: list[str]) -> None:
    stops = StopTexts(STOP)
    shown, pushed = "", ""

    for piece in pieces:
        pushed += piece
        shown += stops.push(piece)
        if not stops.is_stopped:
            held = pushed[len(shown) :]
            assert not held or any(stop.startswith(held) for stop in STOP)


def test_stop_texts_say_nothing_after_a_stop() -> None:
    stops = StopTexts(STOP)

    assert stops.push("yes\nUser: and") == "yes"
    assert stops.push(" more") == ""
    assert stops.flush() == ""


def test_stop_texts_without_any_let_everything_through() -> None:
    stops = StopTexts(())

    assert [stops.push("\nUs"), stops.push("er:"), stops.flush()] == ["\nUs", "er:", ""]


def test_an_answer_ends_with_its_last_arrival_and_with_what_was_held_back() -> None:
    arrivals = [
        Arrival("one En", is_last=False, finish_reason=None),
        Arrival("", is_last=True, finish_reason=FinishReason.LENGTH),
    ]
    cancelled: list[str] = []

    def read() -> Iterator[str]:
        reason = yield from pieces_of(arrivals, ["End"], lambda: cancelled.append("x"))
        assert reason is FinishReason.LENGTH

    assert "".join(read()) == "one En"
    assert cancelled == []


def test_an_answer_ends_before_a_stop_text_and_nothing_after_it_is_read() -> None:
    def arrive() -> Iterator[Arrival]:
        yield Arrival("one En", is_last=False, finish_reason=None)
        yield Arrival("d two", is_last=False, finish_reason=None)
        raise EOFError

    cancelled: list[str] = []

    def read() -> Iterator[str]:
        reason = yield from pieces_of(arrive(), ["End"], lambda: cancelled.append("x"))
        assert reason is FinishReason.STOP

    assert "".join(read()) == "one "
    assert cancelled == ["x"]


def test_a_thought_has_no_stop_texts_and_cuts_none() -> None:
    arrivals = [
        Arrival("Hello E", is_last=False, finish_reason=None),
        Arrival(Thought("End of it"), is_last=False, finish_reason=None),
        Arrival("nd of it", is_last=False, finish_reason=None),
    ]

    pieces = list(pieces_of(arrivals, ["End"], lambda: None))

    assert pieces == ["Hello ", "End of it"]
    assert [type(piece) for piece in pieces] == [str, Thought]
