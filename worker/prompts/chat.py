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
    PicturedPrompt,
    PictureReader,
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
    inputs: object = None
    """See ``protocol.Request``."""
    thinking: Thinking = NO_THINKING
    notation: Notation = NO_NOTATION
    start: Start = Start.ANSWER
    """Where the model goes on."""


PROBE = "qzvx"
"""A text that no template holds."""
CLOSING_TOKENS = 64
"""Enough to end a thought that has its full length, and a little more than that."""


def make_prompt(
    question: PromptInput,
    tokenizer: Tokenizer,
    limits: RequestLimits,
    terms: ThinkingTerms = NO_TERMS,
    reader: PictureReader | None = None,
) -> Prompt:
    """Build the prompt, and cut its history, oldest first, until it fits.

    Args:
        question: the conversation.
        tokenizer: the model's.
        limits: what fits.
        terms: whether the model thinks, and what it has thought.
        reader: lays the pictures into the prompt; None where the engine does that.

    Raises:
        PromptTooLongError: the message alone does not fit.
        UnreadablePictureError: as of the reader.
    """
    encoder = _Encoder(tokenizer, reader if question.pictures else None, question.pictures)
    num_shown = len(tokenizer.encode(question.shown, add_special_tokens=False))
    num_thought = len(tokenizer.encode(terms.thought.text, add_special_tokens=False))
    max_prompt_tokens = limits.max_prompt_tokens + num_shown + num_thought
    turns = _from_first_question([*question.history, Turn(USER, question.text)])
    while True:
        text, start = _text(question, turns, tokenizer, terms, encoder)
        num_tokens = encoder.count(text)
        if num_tokens <= max_prompt_tokens:
            read = encoder.encode(text)
            stop = () if tokenizer.chat_template else PLAIN_STOP
            left = limits.room_after(num_tokens)
            wanted = max(0, min(left, limits.max_new_tokens - num_shown))
            room = min(left, limits.max_total_tokens - num_tokens)
            thinking = _thinking(terms, start, wanted, room, num_thought)
            longest = min(wanted, room - thinking.max_tokens)
            return Prompt(
                read.token_ids,
                stop,
                longest,
                question.pictures,
                read.inputs,
                thinking,
                terms.notation,
                start,
            )
        if len(turns) == 1:
            raise PromptTooLongError(num_tokens, max_prompt_tokens, len(question.pictures))
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
        encoder = _Encoder(tokenizer)
        text, start = _text(question, [Turn(USER, rendered.user)], tokenizer, terms, encoder)
        token_ids = list(encoder.encode(text).token_ids)
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


class _Encoder:
    """Makes tokens of prompts' texts; reads their pictures, which take longer, only when needed."""

    def __init__(
        self,
        tokenizer: Tokenizer,
        reader: PictureReader | None = None,
        pictures: Sequence[str] = (),
    ) -> None:
        self._tokenizer = tokenizer
        self._reader = reader
        self._pictures = pictures
        self._num_picture_tokens: int | None = None
        self._last: tuple[str, PicturedPrompt] | None = None

    @property
    def num_marks(self) -> int:
        """How many pictures are marked in the text."""
        return len(self._pictures) if self._reader else 0

    @property
    def marks(self) -> Sequence[str]:
        """The texts that stand for a picture, which people must not write."""
        return self._reader.marks if self._reader else ()

    def count(self, text: str) -> int:
        """The number of a prompt's tokens."""
        if self._reader is None or self._num_picture_tokens is None:
            num_tokens = len(self.encode(text).token_ids)
            self._num_picture_tokens = num_tokens - len(self._plain(text))
            return num_tokens
        return len(self._plain(text)) + self._num_picture_tokens

    def encode(self, text: str) -> PicturedPrompt:
        """A prompt's tokens, and what the model computes besides."""
        if self._last is None or self._last[0] != text:
            read = (
                self._reader.read(text, self._pictures)
                if self._reader
                else PicturedPrompt(tuple(self._plain(text)), None)
            )
            self._last = text, read
        return self._last[1]

    def _plain(self, text: str) -> list[int]:
        is_template = bool(self._tokenizer.chat_template)
        return self._tokenizer.encode(text, add_special_tokens=not is_template)


def _text(
    question: PromptInput,
    turns: Sequence[Turn],
    tokenizer: Tokenizer,
    terms: ThinkingTerms,
    encoder: _Encoder,
) -> tuple[str, Start]:
    """A prompt's text, and where the model goes on.

    Args:
        question: the conversation.
        turns: what is left of it.
        tokenizer: the model's.
        terms: whether it thinks.
        encoder: of the prompt, which knows of its pictures.
    """
    controls = [*control_tokens(tokenizer), *encoder.marks]
    safe = [Turn(turn.role, neutralize(turn.text, controls)) for turn in turns]
    shown = neutralize(question.shown, controls)
    if not tokenizer.chat_template:
        # "Parley:" ends without a space; a continued answer brings its own
        return lay_out_plain(question.system, safe) + shown, Start.WRITING
    layout = _lay_out_chat(question.system, safe, tokenizer, arguments_of(terms), encoder.num_marks)
    return opened(layout, terms, shown)


Arguments = Mapping[str, bool | str | int]
Message = Mapping[str, object]


def _lay_out_chat(
    system: str,
    turns: Sequence[Turn],
    tokenizer: Tokenizer,
    arguments: Arguments,
    num_marks: int,
) -> str:
    def applied(first: Sequence[Turn], others: Sequence[Turn]) -> str:
        messages = _messages([*first, *others], num_marks, is_parts=not _takes_texts(tokenizer))
        return _apply(tokenizer, messages, arguments)

    try:
        return applied([Turn("system", system)], turns)
    except jinja2.TemplateError:
        # Some templates (Gemma 2) refuse a system turn: its text goes before the first message.
        return applied([Turn(USER, f"{system}\n\n{turns[0].text}")], turns[1:])


def _messages(turns: Sequence[Turn], num_marks: int, *, is_parts: bool) -> list[Message]:
    """Turns as a template takes them; pictures stand before the text of the last one."""
    marks = [{"type": "image"}] * num_marks
    messages: list[Message] = []
    for at, turn in enumerate(turns, start=1):
        before = marks if at == len(turns) else []
        is_whole = not is_parts and not before
        parts = [*before, {"type": "text", "text": turn.text}]
        messages.append({"role": turn.role, "content": turn.text if is_whole else parts})
    return messages


def _takes_texts(tokenizer: Tokenizer) -> bool:
    """Whether a message's content may be a text; templates of some models that see take lists."""
    try:
        probe = _apply(tokenizer, [{"role": USER, "content": PROBE}], {})
    except (jinja2.TemplateError, TypeError):
        return False
    return PROBE in probe


def _apply(tokenizer: Tokenizer, messages: Sequence[Message], arguments: Arguments) -> str:
    return tokenizer.apply_chat_template(
        messages, tokenize=False, add_generation_prompt=True, **arguments
    )
