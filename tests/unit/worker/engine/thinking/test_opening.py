"""Where an answer begins, by the chat template, the effort and what was written before."""

from dataclasses import dataclass

import pytest

from shared.jobs import Effort
from shared.replies import ThoughtSoFar
from tests.unit.worker.byte_tokenizer import Added, ByteTokenizer
from worker.engine.protocol import Thinking
from worker.engine.thinking.notation import (
    GEMMA,
    THINK,
    Notation,
    notation_of,
    server_notation,
)
from worker.engine.thinking.opening import (
    NO_THOUGHT,
    ThinkingTerms,
    after_thought,
    arguments_of,
    opened,
)
from worker.engine.thinking.splitter import Start

SWITCHED = Notation(tags=THINK, arguments=frozenset({"enable_thinking"}))
FIXED = Notation(tags=THINK)
CHANNELS = Notation(has_channels=True, arguments=frozenset({"reasoning_effort"}))
GOING_ON, OVER = ThoughtSoFar("They"), ThoughtSoFar("They greet.", is_over=True)
LAYOUT = "<|user|>hi<|assistant|>"


@dataclass(frozen=True)
class Case:
    """A prompt, and how it goes on."""

    notation: Notation
    text: str
    """What follows the layout."""
    start: Start
    effort: Effort = Effort.AUTO
    layout: str = LAYOUT
    thought: ThoughtSoFar = NO_THOUGHT
    shown: str = ""


CASES = {
    "the model opens its thought": Case(FIXED, "", Start.ANSWER),
    "the template opens it": Case(FIXED, "", Start.THOUGHT, layout=f"{LAYOUT}<think>\n"),
    "the template closes it": Case(
        SWITCHED, "", Start.WRITING, Effort.OFF, f"{LAYOUT}<think>\n\n</think>\n\n"
    ),
    "off, by the template's word": Case(SWITCHED, "", Start.WRITING, Effort.OFF),
    "off, without a word for it": Case(FIXED, "<think>\n\n</think>\n\n", Start.WRITING, Effort.OFF),
    "off, and opened all the same": Case(
        FIXED, "\n</think>\n\n", Start.WRITING, Effort.OFF, f"{LAYOUT}<think>\n"
    ),
    "a thought goes on": Case(FIXED, "<think>\nThey", Start.THOUGHT, thought=GOING_ON),
    "a thought goes on that the template opens": Case(
        FIXED, "They", Start.THOUGHT, layout=f"{LAYOUT}<think>\n", thought=GOING_ON
    ),
    "a thought is over": Case(
        FIXED, "<think>\nThey greet.\n</think>\n\n", Start.WRITING, thought=OVER
    ),
    "an answer goes on behind its thought": Case(
        FIXED, "<think>\nThey greet.\n</think>\n\nHel", Start.WRITING, thought=OVER, shown="Hel"
    ),
    "an answer goes on, and its thought is forgotten": Case(
        FIXED, "<think>\n\n</think>\n\nHel", Start.WRITING, shown="Hel"
    ),
    "an answer without a thought goes on": Case(
        SWITCHED, "Hel", Start.WRITING, Effort.OFF, shown="Hel"
    ),
    "a thought goes on that nobody wants any more": Case(
        SWITCHED, "", Start.WRITING, Effort.OFF, thought=GOING_ON
    ),
    "Gemma's goes on": Case(
        Notation(tags=GEMMA), "<|channel>thought\nThey", Start.THOUGHT, thought=GOING_ON
    ),
    "channels": Case(CHANNELS, "", Start.ANSWER),
    "channels, off": Case(CHANNELS, "<|channel|>final<|message|>", Start.WRITING, Effort.OFF),
    "channels, a thought goes on": Case(
        CHANNELS, "<|channel|>analysis<|message|>They", Start.THOUGHT, thought=GOING_ON
    ),
    "channels, an answer goes on": Case(
        CHANNELS,
        "<|channel|>analysis<|message|>They greet.<|end|><|start|>assistant"
        "<|channel|>final<|message|>Hel",
        Start.WRITING,
        thought=OVER,
        shown="Hel",
    ),
    "no thoughts at all": Case(Notation(), "", Start.ANSWER),
    "no thoughts at all, an answer goes on": Case(Notation(), "Hel", Start.WRITING, shown="Hel"),
    "a server": Case(server_notation(), "", Start.UNKNOWN),
    "a server's answer goes on": Case(server_notation(), "Hel", Start.WRITING, shown="Hel"),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_prompt_goes_on_where_it_has_to(case: Case) -> None:
    terms = ThinkingTerms(case.notation, Thinking(case.effort, 100), case.thought)

    assert opened(case.layout, terms, case.shown) == (case.layout + case.text, case.start)


@pytest.mark.parametrize(
    ("notation", "start", "text"),
    [
        (FIXED, Start.ANSWER, "<think>\na\n</think>\n\n"),
        (FIXED, Start.THOUGHT, "a\n</think>\n\n"),
        (Notation(), Start.ANSWER, "<think>\na\n</think>\n\n"),
        (Notation(tags=GEMMA), Start.ANSWER, "<|channel>thought\na\n<channel|>\n\n"),
        (
            CHANNELS,
            Start.ANSWER,
            "<|channel|>analysis<|message|>a<|end|><|start|>assistant<|channel|>final<|message|>",
        ),
        (CHANNELS, Start.THOUGHT, "a<|end|><|start|>assistant<|channel|>final<|message|>"),
    ],
)
def test_a_thought_at_its_longest_is_ended(notation: Notation, start: Start, text: str) -> None:
    assert after_thought("a\n", notation, start) == text


@pytest.mark.parametrize(
    ("known", "effort", "said"),
    [
        ({"enable_thinking"}, Effort.AUTO, {}),
        ({"enable_thinking"}, Effort.OFF, {"enable_thinking": False}),
        ({"enable_thinking"}, Effort.ON, {"enable_thinking": True}),
        ({"thinking"}, Effort.HARD, {"thinking": True}),
        ({"reasoning_effort"}, Effort.AUTO, {}),
        ({"reasoning_effort"}, Effort.ON, {}),
        ({"reasoning_effort"}, Effort.OFF, {"reasoning_effort": "low"}),
        ({"reasoning_effort"}, Effort.HARD, {"reasoning_effort": "high"}),
        ({"thinking_budget"}, Effort.AUTO, {"thinking_budget": 100}),
        (set(), Effort.OFF, {}),
    ],
)
def test_a_template_is_told_what_it_knows(
    known: set[str], effort: Effort, said: dict[str, object]
) -> None:
    terms = ThinkingTerms(Notation(arguments=frozenset(known)), Thinking(effort, 100))

    assert arguments_of(terms) == said


def test_no_tokens_for_thoughts_is_off() -> None:
    terms = ThinkingTerms(SWITCHED, Thinking(Effort.AUTO, 0))

    assert arguments_of(terms) == {"enable_thinking": False}


@dataclass(frozen=True)
class Templated(ByteTokenizer):
    """A tokenizer whose template is this text."""

    template: str = ""

    @property
    def chat_template(self) -> str | None:
        return self.template


@pytest.mark.parametrize(
    ("template", "added", "expected"),
    [
        ("{{ messages }}", (), Notation()),
        ("{{ messages }}<think>\n", (), Notation(tags=THINK)),
        (
            "{% if enable_thinking is defined and not enable_thinking %}<think></think>{% endif %}",
            (),
            Notation(tags=THINK, arguments=frozenset({"enable_thinking"})),
        ),
        (
            "{{ messages }}",
            (Added("<think>", special=False), Added("</think>", special=False)),
            Notation(tags=THINK),
        ),
        (
            "{{ messages }}",
            (Added("<think>", special=True), Added("</think>", special=True)),
            Notation(tags=THINK, kept=frozenset({"<think>", "</think>"})),
        ),
        (
            "{{ reasoning_effort }}<|channel|><|message|>",
            (Added("<|channel|>", special=True), Added("<|message|>", special=True)),
            Notation(
                has_channels=True,
                arguments=frozenset({"reasoning_effort"}),
                kept=frozenset({"<|channel|>", "<|message|>"}),
            ),
        ),
        (
            "{% if enable_thinking %}<|think|>{% endif %}<|channel>thought\n<channel|>",
            (Added("<|channel>", special=True), Added("<channel|>", special=True)),
            Notation(
                tags=GEMMA,
                arguments=frozenset({"enable_thinking"}),
                kept=frozenset({"<|channel>", "<channel|>"}),
            ),
        ),
        (
            "{% generation %}{{ enable_thinking }}{% endgeneration %}",
            (),
            Notation(arguments=frozenset({"enable_thinking"})),
        ),
        (
            "{% if enable_thinking is not defined %}{% set enable_thinking = true %}{% endif %}",
            (),
            Notation(arguments=frozenset({"enable_thinking"})),
        ),
        ("{% set thinking = 1 %}{{ thinking }}", (), Notation()),
        (
            "{% what is this %}{{ enable_thinking }}",
            (),
            Notation(arguments=frozenset({"enable_thinking"})),
        ),
    ],
)
def test_a_model_tells_its_notation(
    template: str, added: tuple[Added, ...], expected: Notation
) -> None:
    tokenizer = Templated(template=template, added_tokens=added, control_tokens=())

    assert notation_of(tokenizer) == expected
