"""Thoughts and answers, however their text is cut into pieces."""

from dataclasses import dataclass

import pytest

from worker.engine.protocol import Thought
from worker.engine.thinking.notation import (
    GEMMA,
    NO_NOTATION,
    THINK,
    Notation,
    Tags,
    server_notation,
)
from worker.engine.thinking.splitter import Retraction, Splitter, Start, answer_in

TAGGED = Notation(tags=THINK)
CHANNELS = Notation(has_channels=True)
MISTRAL = Notation(tags=Tags("[THINK]", "[/THINK]"))
FINAL = "<|channel|>final<|message|>"
ANALYSIS = "<|channel|>analysis<|message|>"
NEXT = "<|end|><|start|>assistant"


@dataclass(frozen=True)
class Case:
    """What a model wrote, and what of it is a thought and what the answer."""

    text: str
    thought: str
    answer: str
    notation: Notation = TAGGED
    start: Start = Start.ANSWER


CASES = {
    "no thought": Case("Hello.", "", "Hello."),
    "a model that says nothing of thoughts": Case("Hello <b>", "", "Hello <b>", NO_NOTATION),
    "a fine-tune that thinks without a word of it": Case(
        "<think>x</think>y", "x", "y", NO_NOTATION
    ),
    "written by the model": Case(
        "<think>\nThey greet.\n</think>\n\nHello.", "They greet.", "Hello."
    ),
    "empty": Case("<think>\n\n</think>\n\nHello.", "", "Hello."),
    "blanks before it": Case("\n <think>a</think>b", "a", "b"),
    "opened by the prompt": Case(
        "They greet.</think>\n\nHello.", "They greet.", "Hello.", start=Start.THOUGHT
    ),
    "opened by the prompt and by the model": Case(
        "\n<think>\na</think>b", "a", "b", start=Start.THOUGHT
    ),
    "opened by the prompt and never closed": Case(
        "They greet. I say", "They greet. I say", "", start=Start.THOUGHT
    ),
    "never closed": Case("<think>They greet. I say", "They greet. I say", ""),
    "a thought alone": Case("<think>a</think>", "a", ""),
    "closed at once": Case("</think>Hello.", "", "Hello.", start=Start.THOUGHT),
    "nested": Case("<think>a<think>b</think>c</think>d", "a<think>b</think>c", "d"),
    "nested twice": Case(
        "<think>a<think>b<think>c</think>d</think>e</think>f",
        "a<think>b<think>c</think>d</think>e",
        "f",
    ),
    "nested, opened by the prompt": Case(
        "a<think>b</think>c</think>d", "a<think>b</think>c", "d", start=Start.THOUGHT
    ),
    "a thought that talks of its tag": Case(
        "<think>The tag <think> is meant.</think>Yes.", "The tag <think> is meant.", "Yes."
    ),
    "nested and never closed": Case("<think>a<think>b", "a<think>b", ""),
    "two thoughts": Case("<think>a</think>b <think>c</think>d", "ac", "b d"),
    "a thought after the answer": Case("Yes.\n<think>hm</think>", "hm", "Yes.\n"),
    "an answer about the tag": Case(
        "Use `<think>` and `</think>`.", "", "Use `<think>` and `</think>`."
    ),
    "an answer with the tag in a block of code": Case(
        "```\n<think>\nx\n</think>\n```\nDone", "", "```\n<think>\nx\n</think>\n```\nDone"
    ),
    "a thought, then an answer about the tag": Case("<think>a</think>`<think>`", "a", "`<think>`"),
    "a thought with code in it": Case("<think>`x` and ```py\ny</think>z", "`x` and ```py\ny", "z"),
    "a closing one without an opening one": Case(
        "They greet.</think>Hello.", "They greet.", "Hello."
    ),
    "the same behind open code": Case("So ```py\nx</think>y", "So ```py\nx", "y"),
    "what only looks like a tag": Case(
        "a < b, <thin> and </thinking", "", "a < b, <thin> and </thinking"
    ),
    "the beginning of a tag at the end": Case("Hello <thi", "", "Hello <thi"),
    "the beginning of a tag at a thought's end": Case("<think>Hello </thi", "Hello </thi", ""),
    "a call of a tool": Case("<think>a</think><tool_call>{}</tool_call>b", "a", "b"),
    "a call of a tool that never ends": Case("b<tool_call>{", "", "b"),
    "other tags": Case("[THINK]a[/THINK]b", "a", "b", MISTRAL),
    "other tags, and those of all": Case("<think>a</think>b", "a", "b", MISTRAL),
    "Gemma's": Case("<|channel>thought\na<channel|>b", "a", "b", Notation(tags=GEMMA)),
    "Gemma's, empty": Case("<|channel>thought\n<channel|>b", "", "b", Notation(tags=GEMMA)),
    "Gemma's without its label": Case(
        "<|channel>thin<channel|>b", "thin", "b", Notation(tags=GEMMA)
    ),
    "channels": Case(f"{ANALYSIS}a{NEXT}{FINAL}b<|return|>", "a", "b", CHANNELS),
    "channels, twice analysed": Case(
        f"{ANALYSIS}a{NEXT}{ANALYSIS}c{NEXT}{FINAL}b", "ac", "b", CHANNELS
    ),
    "channels, with a commentary": Case(
        f"{ANALYSIS}a{NEXT}<|channel|>commentary to=functions.x "
        "<|constrain|>json<|message|>{}<|call|>",
        "a{}",
        "",
        CHANNELS,
    ),
    "channels, the answer alone": Case(f"{FINAL}b", "", "b", CHANNELS),
    "channels, the thought alone": Case(f"{ANALYSIS}a", "a", "", CHANNELS),
    "channels, two answers": Case(f"{FINAL}a{NEXT}{FINAL}b", "", "a\n\nb", CHANNELS),
    "channels that a fine-tune does not write": Case("Hello.", "", "Hello.", CHANNELS),
    "channels, going on in a thought": Case(f"b{NEXT}{FINAL}c", "b", "c", CHANNELS, Start.THOUGHT),
    "channels, going on in the answer": Case(
        " world.<|return|>", "", " world.", CHANNELS, Start.WRITING
    ),
    "a server's prompt opened it": Case("a</think>b", "a", "b", server_notation(), Start.UNKNOWN),
    "a server's model opens it": Case(
        "<think>a</think>b", "a", "b", server_notation(), Start.UNKNOWN
    ),
    "a server without thoughts": Case("Hello.", "", "Hello.", server_notation(), Start.UNKNOWN),
}


def split(splitter: Splitter, pieces: "list[str]") -> tuple[str, str]:
    """The thought and the answer of a text in pieces."""
    thought = answer = ""
    for part in [part for piece in pieces for part in splitter.push(piece)] + [*splitter.flush()]:
        if isinstance(part, Retraction):
            answer = ""
        elif isinstance(part, Thought):
            thought += part
        else:
            answer += part
    return thought, answer


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_text_is_told_apart_however_it_is_cut(case: Case) -> None:
    size = len(case.text)
    cuts = [[case.text], list(case.text)]
    cuts += [[case.text[:at], case.text[at:]] for at in range(1, size)]
    cuts += [[case.text[at : at + step] for at in range(0, size, step)] for step in (2, 3, 5, 7)]

    for pieces in cuts:
        thought, answer = split(Splitter(case.notation, case.start), pieces)

        assert (thought.strip(), answer) == (case.thought, case.answer), pieces
    assert answer_in(case.text, case.notation, case.start) == case.answer


def test_an_answer_is_streamed_but_for_what_may_be_a_tag() -> None:
    splitter = Splitter(TAGGED)

    pushed = [
        list(splitter.push(piece)) for piece in ("<think>a", "b</think>", "Hel", "lo <", "b>")
    ]

    assert pushed == [[Thought("a")], [Thought("b")], ["Hel"], ["lo "], ["<b>"]]
    assert all(isinstance(part, Thought) for part in (*pushed[0], *pushed[1]))


def test_a_thought_is_open_while_it_is() -> None:
    splitter = Splitter(TAGGED)
    seen = []
    for piece in ("<think>", "a", "</think>", "b"):
        list(splitter.push(piece))
        seen.append(splitter.is_thinking)

    assert seen == [True, True, False, False]


def test_thoughts_that_a_server_tells_apart_stay_so() -> None:
    notation = server_notation()
    splitter = Splitter(notation, Start.UNKNOWN)

    assert list(splitter.push(Thought("a </think>"))) == [Thought("a </think>")]
    assert splitter.is_thinking
    assert list(splitter.push("Hello.")) == ["Hello."]
    assert not splitter.is_thinking
    assert notation.habit is not None
    assert notation.habit.is_plain


def test_a_server_is_known_after_one_answer() -> None:
    notation = server_notation()
    assert notation.habit is not None
    for text in ("a</think>b", "<think>a</think>b"):
        split(Splitter(notation, Start.UNKNOWN), [text])
        assert not notation.habit.is_plain
    split(Splitter(notation, Start.UNKNOWN), ["Hello."])

    assert notation.habit.is_plain


def test_a_text_of_a_server_that_ends_at_its_longest_may_be_a_thought() -> None:
    notation = server_notation()
    splitter = Splitter(notation, Start.UNKNOWN)

    assert not list(splitter.push("They ask for"))
    assert list(splitter.flush(is_cut=True)) == [Thought("They ask for")]
    assert notation.habit is not None
    assert not notation.habit.is_plain
