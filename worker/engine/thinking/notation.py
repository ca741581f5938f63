"""How a model writes its thoughts, by what its chat template and its vocabulary say.

Most models put tags around them; gpt-oss writes everything into channels. Sources: the models' chat
templates and cards, and the reasoning parsers of vLLM (docs.vllm.ai, reasoning outputs).
"""
# Pure. Uses jinja2.

import functools
import re
from dataclasses import dataclass

import jinja2
import jinja2.meta

from worker.engine.protocol import Tokenizer


@dataclass(frozen=True, slots=True)
class Tags:
    """The texts around a thought."""

    opening: str
    closing: str
    label: str = ""
    """A word that follows the opening one and is no part of the thought."""


THINK = Tags("<think>", "</think>")
GEMMA = Tags("<|channel>", "<channel|>", "thought")
KNOWN_TAGS = (
    THINK,
    GEMMA,
    Tags("[THINK]", "[/THINK]"),
    Tags("<thinking>", "</thinking>"),
    Tags("<thought>", "</thought>"),
    Tags("<reasoning>", "</reasoning>"),
    Tags("<seed:think>", "</seed:think>"),
    Tags("<mm:think>", "</mm:think>"),
    Tags("<longcat_think>", "</longcat_think>"),
    Tags("<|think|>", "<|/think|>"),
    Tags("<|START_THINKING|>", "<|END_THINKING|>"),
    Tags("<|begin_of_thought|>", "<|end_of_thought|>"),
    Tags("<|inner_prefix|>", "<|inner_suffix|>"),
    Tags("<unused94>", "<unused95>", "thought"),
)
"""Qwen, DeepSeek, SmolLM, GLM, Granite and most others; Gemma 4; Magistral; then one family each,
the last MedGemma's."""
ALWAYS_TAGS = (THINK,)
"""Told apart in every model's text: fine-tunes write them without a word in their template."""
TOOL_CALLS = (
    Tags("<tool_call>", "</tool_call>"),
    Tags("<|tool_call>", "<tool_call|>"),
    Tags("<function_call>", "</function_call>"),
)
"""Requests of a model to a program: text for nobody."""
CHANNEL, MESSAGE, START = "<|channel|>", "<|message|>", "<|start|>"
CHANNEL_MARKS = (START, CHANNEL, "<|constrain|>", MESSAGE, "<|end|>", "<|return|>", "<|call|>")
"""The control tokens of the harmony format (github.com/openai/harmony)."""
FINAL = "final"
SWITCHES = frozenset({"enable_thinking", "thinking"})
"""Variables of templates that turn thoughts on and off: of Qwen and most others; of DeepSeek and
Granite."""
DEGREES = "reasoning_effort"
BUDGET = "thinking_budget"
GENERATION = re.compile(r"\{%-?\s*(end)?generation\s*-?%\}")
"""A tag that transformers adds to Jinja."""


@dataclass(slots=True)
class Habit:
    """What is learned of a server whose prompts are never seen here."""

    is_plain: bool = False
    """Whether its text begins with the answer: it was seen to do so, or thoughts come apart."""


@dataclass(frozen=True, slots=True)
class Notation:
    """How a model writes its thoughts."""

    tags: Tags | None = None
    """The tags that its template or vocabulary has; None for a model that does not think, as far
    as it says."""
    has_channels: bool = False
    arguments: frozenset[str] = frozenset()
    """What its chat template can be told about thinking."""
    kept: frozenset[str] = frozenset()
    """Control tokens that have to stay in the text, to tell thoughts by."""
    habit: Habit | None = None
    """Of a server; None where prompts are laid out here."""

    @property
    def may_think(self) -> bool:
        """Whether the model thinks before it answers, as far as can be told."""
        return self.has_channels or self.tags is not None or self.habit is not None

    @property
    def known_tags(self) -> tuple[Tags, ...]:
        """All tags that are told apart in its text."""
        own = (self.tags,) if self.tags else ()
        return tuple(dict.fromkeys((*own, *ALWAYS_TAGS)))


NO_NOTATION = Notation()


def server_notation() -> Notation:
    """The notation of a server, which may leave thoughts in the text, opened by its own prompt."""
    return Notation(habit=Habit())


def notation_of(tokenizer: Tokenizer) -> Notation:
    """The notation of the model that a tokenizer belongs to."""
    template = tokenizer.chat_template or ""
    added = {token.content for token in tokenizer.added_tokens_decoder.values()}
    special = {
        *tokenizer.all_special_tokens,
        *(token.content for token in tokenizer.added_tokens_decoder.values() if token.special),
    }
    known = _arguments(template)
    if {CHANNEL, MESSAGE} <= added or _has_channels(template):
        kept = frozenset(special.intersection(CHANNEL_MARKS))
        return Notation(has_channels=True, arguments=known, kept=kept)
    for tags in KNOWN_TAGS:
        if _has_tags(template, tags) or {tags.opening, tags.closing} <= added:
            kept = frozenset(special & {tags.opening, tags.closing})
            return Notation(tags=tags, arguments=known, kept=kept)
    return Notation(arguments=known)


def template_thinks(template: str) -> bool:
    """Whether a chat template has a notation of thoughts."""
    return _has_channels(template) or any(_has_tags(template, tags) for tags in KNOWN_TAGS)


def _has_channels(template: str) -> bool:
    return CHANNEL in template and MESSAGE in template


def _has_tags(template: str, tags: Tags) -> bool:
    return tags.opening in template or tags.closing in template


def hidden_ids(tokenizer: Tokenizer) -> frozenset[int] | None:
    """The control tokens that are no part of a text; None for all of them."""
    kept = notation_of(tokenizer).kept
    if not kept:
        return None
    return frozenset(
        number
        for number, token in tokenizer.added_tokens_decoder.items()
        if token.special and token.content not in kept
    )


@functools.lru_cache(maxsize=16)
def _arguments(template: str) -> frozenset[str]:
    """The variables about thinking that a template reads."""
    known = {*SWITCHES, DEGREES, BUDGET}
    try:
        tree = jinja2.Environment(  # noqa: S701 - nothing is rendered
            extensions=["jinja2.ext.loopcontrols"]
        ).parse(GENERATION.sub("", template))
    except jinja2.TemplateError:
        return frozenset(word for word in known if re.search(rf"\b{re.escape(word)}\b", template))
    return frozenset(jinja2.meta.find_undeclared_variables(tree)) & known
