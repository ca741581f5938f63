"""The prompt text for a conversation, which a model continues. Pure, apart from the tokenizer.

Models with a chat template use it; base models such as GPT-2 get a plain transcript and stop texts.
The oldest turns are cut first when it does not all fit.
"""
# Pure. Uses babel, jinja2.

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import jinja2

from shared.errors import PromptTooLongError
from shared.jobs import Turn
from worker.engine.protocol import (
    NO_THINKING,
    RESERVED_TOKENS,
    RequestLimits,
    Thinking,
    Tokenizer,
)
from worker.engine.thinking.notation import NO_NOTATION, Notation
from worker.engine.thinking.opening import NO_TERMS, ThinkingTerms, arguments_of, opened
from worker.engine.thinking.splitter import Start
from worker.prompts.template import RenderedPrompt

USER, ASSISTANT = "user", "assistant"
PLAIN_NAMES = {USER: "User", ASSISTANT: "Parley"}
PLAIN_STOP = tuple(f"\n{name}:" for name in PLAIN_NAMES.values())


@dataclass(frozen=True, slots=True)
class PromptInput:
    """The contents of one prompt."""

    system: str
    history: tuple[Turn, ...]
    text: str
    shown: str = ""
    """The beginning of the answer, when an earlier run wrote it: the model continues it."""
    pictures: tuple[str, ...] = ()
    """``data:`` URLs of the pictures beside the text."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """The prompt that the engine continues."""

    token_ids: tuple[int, ...]
    stop: tuple[str, ...]
    max_new_tokens: int
    """0 where the answer that is continued has its full length."""
    pictures: tuple[str, ...] = ()
    thinking: Thinking = NO_THINKING
    notation: Notation = NO_NOTATION
    start: Start = Start.ANSWER
    """Where the model goes on."""


CLOSING_TOKENS = 64
"""Enough to end a thought that has its full length, and a little more than that."""


def make_prompt(
    question: PromptInput,
    tokenizer: Tokenizer,
    limits: RequestLimits,
    terms: ThinkingTerms = NO_TERMS,
) -> Prompt:
    """Build the prompt, and cut its history, oldest first, until it fits.

    Args:
        question: the conversation.
        tokenizer: the model's.
        limits: what fits.
        terms: whether the model thinks, and what it has thought.

    Raises:
        PromptTooLongError: the message alone does not fit.
    """
    num_shown = len(tokenizer.encode(question.shown, add_special_tokens=False))
    num_thought = len(tokenizer.encode(terms.thought.text, add_special_tokens=False))
    max_prompt_tokens = limits.max_prompt_tokens + num_shown + num_thought
    turns = _from_first_question([*question.history, Turn(USER, question.text)])
    while True:
        token_ids, start = _tokens(question, turns, tokenizer, terms)
        if len(token_ids) <= max_prompt_tokens:
            stop = () if tokenizer.chat_template else PLAIN_STOP
            left = limits.room_after(len(token_ids))
            wanted = max(0, min(left, limits.max_new_tokens - num_shown))
            room = min(left, limits.max_total_tokens - len(token_ids))
            thinking = _thinking(terms, start, wanted, room, num_thought)
            longest = min(wanted, room - thinking.max_tokens)
            return Prompt(
                tuple(token_ids),
                stop,
                longest,
                question.pictures,
                thinking,
                terms.notation,
                start,
            )
        if len(turns) == 1:
            raise PromptTooLongError(len(token_ids), max_prompt_tokens)
        turns = _from_first_question(turns[1:])


def make_task_prompt(
    rendered: RenderedPrompt,
    tokenizer: Tokenizer,
    limits: RequestLimits,
    max_new_tokens: int | None = None,
    terms: ThinkingTerms = NO_TERMS,
) -> Prompt:
    """Build a task's prompt; none of it is cut.

    Args:
        rendered: the prompt, with its fields filled in.
        tokenizer: the model's.
        limits: what fits.
        max_new_tokens: the longest answer; None for the maximum.
        terms: whether the model thinks.

    Raises:
        PromptTooLongError: it does not fit.
    """
    wanted = min(max_new_tokens or limits.max_new_tokens, limits.max_new_tokens)
    is_plain = not tokenizer.chat_template and bool(rendered.plain)
    if is_plain:
        text = neutralize(rendered.plain, control_tokens(tokenizer))
        token_ids, start = tokenizer.encode(text, add_special_tokens=True), Start.WRITING
    else:
        question = PromptInput(rendered.system, (), rendered.user)
        token_ids, start = _tokens(question, [Turn(USER, rendered.user)], tokenizer, terms)
    max_prompt_tokens = limits.prompt_beside(wanted)
    if len(token_ids) > max_prompt_tokens:
        raise PromptTooLongError(len(token_ids), max_prompt_tokens)
    longest = min(wanted, limits.room_after(len(token_ids)))
    thinking = _thinking(terms, start, longest, limits.max_total_tokens - len(token_ids), 0)
    longest = min(longest, limits.max_total_tokens - len(token_ids) - thinking.max_tokens)
    stop = rendered.stop if is_plain else (() if tokenizer.chat_template else PLAIN_STOP)
    return Prompt(
        tuple(token_ids), stop, longest, thinking=thinking, notation=terms.notation, start=start
    )


def make_continuation(
    text: str, tokenizer: Tokenizer, limits: RequestLimits, max_new_tokens: int
) -> Prompt:
    """The prompt to continue a text as it is: no instructions, no conversation, no chat template.

    Raises:
        PromptTooLongError: it does not fit.
    """
    safe = neutralize(text, control_tokens(tokenizer))
    token_ids = tokenizer.encode(safe, add_special_tokens=True)
    longest = min(max_new_tokens, limits.max_new_tokens)
    if len(token_ids) + longest > limits.max_total_tokens:
        raise PromptTooLongError(len(token_ids), limits.max_total_tokens - longest)
    return Prompt(tuple(token_ids), (), longest, start=Start.WRITING)


def lay_out_plain(system: str, turns: Sequence[Turn]) -> str:
    """A transcript that a model without a chat template can continue."""
    lines = [f"{PLAIN_NAMES[turn.role]}: {turn.text}" for turn in turns]
    return "\n".join([system, "", *lines, f"{PLAIN_NAMES[ASSISTANT]}:"])


def control_tokens(tokenizer: Tokenizer) -> list[str]:
    """All texts that the tokenizer reads as a control token, the longest first.

    Not only the named ones: Llama 3's headers and Phi's roles are added tokens without a name.
    Added tokens that are ordinary text, such as runs of blanks, are not included.
    """
    added = [
        token.content
        for token in tokenizer.added_tokens_decoder.values()
        if token.special or (token.content.startswith("<") and token.content.endswith(">"))
    ]
    return sorted({*tokenizer.all_special_tokens, *added}, key=len, reverse=True)


def neutralize(text: str, special_tokens: Sequence[str]) -> str:
    """Break up a model's control tokens in a person's text, so that they stay text."""
    for token in special_tokens:
        text = text.replace(token, f"{token[:1]} {token[1:]}")
    return text


def _from_first_question(turns: Sequence[Turn]) -> list[Turn]:
    """Drop answers whose question was cut: templates require the user's turn first."""
    return list(itertools.dropwhile(lambda turn: turn.role == ASSISTANT, turns))


def _thinking(
    terms: ThinkingTerms, start: Start, wanted: int, room: int, num_thought: int
) -> Thinking:
    """The tokens for a thought beside an answer that may have ``wanted`` ones."""
    if terms.is_off or start is Start.WRITING or not terms.notation.may_think:
        return Thinking(terms.thinking.effort, 0)
    left = room - min(wanted, RESERVED_TOKENS) - CLOSING_TOKENS
    return Thinking(
        terms.thinking.effort, max(0, min(terms.thinking.max_tokens - num_thought, left))
    )


def _tokens(
    question: PromptInput, turns: Sequence[Turn], tokenizer: Tokenizer, terms: ThinkingTerms
) -> tuple[list[int], Start]:
    controls = control_tokens(tokenizer)
    safe = [Turn(turn.role, neutralize(turn.text, controls)) for turn in turns]
    shown = neutralize(question.shown, controls)
    if not tokenizer.chat_template:
        # "Parley:" ends without a space; a continued answer brings its own
        text = lay_out_plain(question.system, safe) + shown
        return tokenizer.encode(text, add_special_tokens=True), Start.WRITING
    layout = _lay_out_chat(question.system, safe, tokenizer, arguments_of(terms))
    text, start = opened(layout, terms, shown)
    return tokenizer.encode(text, add_special_tokens=False), start


Arguments = Mapping[str, bool | str | int]


def _lay_out_chat(
    system: str, turns: Sequence[Turn], tokenizer: Tokenizer, arguments: Arguments
) -> str:
    messages = [{"role": turn.role, "content": turn.text} for turn in turns]
    try:
        with_system = [{"role": "system", "content": system}, *messages]
        return _apply(tokenizer, with_system, arguments)
    except jinja2.TemplateError:
        # Some templates (Gemma 2) refuse a system turn: its text goes before the first message.
        first = {"role": USER, "content": f"{system}\n\n{messages[0]['content']}"}
        return _apply(tokenizer, [first, *messages[1:]], arguments)


def _apply(tokenizer: Tokenizer, messages: list[dict[str, str]], arguments: Arguments) -> str:
    return tokenizer.apply_chat_template(
        messages, tokenize=False, add_generation_prompt=True, **arguments
    )
