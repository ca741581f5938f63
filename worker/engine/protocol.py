"""The interface of an engine: submit a request, read pieces, maybe cancel.

Plain data and a Protocol; imports no torch, so tasks and prompts stay light.
"""
# Pure.

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

from shared.jobs import Effort
from shared.replies import FinishReason


@dataclass(frozen=True, slots=True)
class Sampling:
    """The parameters of the sampler; None: as the model's own settings say, or the server's."""

    temperature: float | None = None
    """0 picks the most likely token; of the others only the penalty then has an effect."""
    top_p: float | None = None
    """Nucleus sampling: the smallest set of tokens with so much probability; 1 for all."""
    top_k: int | None = None
    """Only so many of the likeliest tokens; 0 for all."""
    min_p: float | None = None
    """Only tokens with at least this share of the likeliest one's probability; 0 for all."""
    repetition_penalty: float | None = None
    """Above 1, tokens that were there already become less likely (arXiv:1909.05858)."""
    seed: int | None = None
    """The same seed draws the same tokens, independent of the rest of the batch; None: any."""

    def over(self, defaults: "Sampling") -> "Sampling":
        """These parameters, with the defaults' in place of those that are None."""
        own = {name: value for name, value in dataclasses.asdict(self).items() if value is not None}
        return dataclasses.replace(defaults, **own)


GREEDY = Sampling(temperature=0.0)
"""Always the most likely token."""


@dataclass(frozen=True, slots=True)
class Thinking:
    """Whether a model thinks before it answers, and how long."""

    effort: Effort = Effort.AUTO
    max_tokens: int = 0
    """The most tokens of its thoughts, apart from the answer's; 0 where it shall not think."""


NO_THINKING = Thinking(Effort.OFF)


class Thought(str):
    """A piece of a thought: never shown as an answer, nor remembered as one."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Request:
    """One answer to generate."""

    id: str
    """Unique among the requests in the engine."""
    prompt_ids: tuple[int, ...]
    max_new_tokens: int
    """Of the answer; those of its thought come on top."""
    sampling: Sampling = Sampling()
    stop: tuple[str, ...] = ()
    """Generation ends before any of these texts."""
    pictures: tuple[str, ...] = ()
    """``data:`` URLs of the pictures beside the question; only for an engine that accepts them."""
    inputs: object = None
    """What the engine's own picture reader made of them; None for an engine without one."""
    salt: str = ""
    """The tenant of the request, such as ``slack:T1``: only requests with the same salt share
    cached
    prefixes, so that response times do not reveal what others have asked."""
    thinking: Thinking = NO_THINKING

    @property
    def max_written_tokens(self) -> int:
        """The most tokens of thought and answer together."""
        return self.max_new_tokens + self.thinking.max_tokens


class Generation(Protocol):
    """An answer being generated."""

    def __iter__(self) -> Iterator[str]:
        """Pieces of text as they arrive; never half a character, never part of a stop text.

        A piece that a server reports as thought is a ``Thought``; marks of thoughts in the text of
        an answer are left for ``worker.tasks.generate`` to split.

        Raises:
            EngineError: the batch died with this request alone in it, or is stuck with it.
            EngineLostError: the engine failed for good; the request is not known to be at fault.
        """
        ...

    @property
    def num_tokens(self) -> int:
        """The number of tokens written so far."""
        ...

    @property
    def finish_reason(self) -> FinishReason | None:
        """The finish reason; None while it continues and after a cancel."""
        ...


class Engine(Protocol):
    """A model that writes many answers concurrently."""

    @property
    def num_running(self) -> int:
        """The number of answers being written."""
        ...

    def submit(self, request: Request) -> Generation:
        """Add a request to the batch.

        Raises:
            PromptTooLongError: it can never fit, and has not been added.
            EngineLostError: the engine failed for good.
        """
        ...

    def cancel(self, request_id: str) -> None:
        """Stop writing an answer and free its memory; its pieces end at once."""
        ...

    def close(self) -> None:
        """Stop; unfinished answers end as if cancelled."""
        ...


RESERVED_TOKENS = 1024
"""Kept free for an answer by every prompt, or half of the context where that is less."""


@dataclass(frozen=True, slots=True)
class RequestLimits:
    """The size limits of one request, in tokens."""

    max_total_tokens: int
    """Prompt and answer together: the model's context or the cache, whichever is smaller."""
    max_new_tokens: int
    """The longest answer, where its prompt leaves so much."""

    @classmethod
    def of(cls, max_total_tokens: int, *longest: int | None) -> Self:
        """The limits for the first of these longest answers that is known, else what is left."""
        known = [tokens for tokens in longest if tokens is not None]
        max_new_tokens = min(known[0], max_total_tokens // 2) if known else max_total_tokens - 1
        return cls(max_total_tokens, max(1, max_new_tokens))

    @property
    def max_prompt_tokens(self) -> int:
        """The longest prompt that still leaves room for an answer."""
        return self.prompt_beside(self.max_new_tokens)

    def prompt_beside(self, max_new_tokens: int) -> int:
        """The longest prompt beside an answer that may have so many tokens."""
        reserved = min(max_new_tokens, RESERVED_TOKENS, self.max_total_tokens // 2)
        return self.max_total_tokens - reserved

    def room_after(self, num_prompt_tokens: int) -> int:
        """The longest answer after a prompt of so many tokens; none below one."""
        return max(1, min(self.max_new_tokens, self.max_total_tokens - num_prompt_tokens))


@dataclass(frozen=True, slots=True)
class PicturedPrompt:
    """A prompt with pictures, as the model of an engine of this process reads it."""

    token_ids: tuple[int, ...]
    """With as many tokens as each picture takes."""
    inputs: object
    """What the model computes besides; only the reader's own engine knows its form."""


class PictureReader(Protocol):
    """Lays pictures into prompts, for an engine that computes them itself."""

    @property
    def marks(self) -> Sequence[str]:
        """The texts that stand for a picture in a prompt, which people must not write."""
        ...

    def read(self, text: str, pictures: Sequence[str]) -> PicturedPrompt:
        """Read a prompt.

        Args:
            text: laid out by the chat template, with a mark for each picture.
            pictures: ``data:`` URLs.

        Raises:
            UnreadablePictureError: one is damaged, or the model cannot be shown it.
        """
        ...


class AddedToken(Protocol):
    """A token added to the learned vocabulary."""

    @property
    def content(self) -> str:
        """Its text."""
        ...

    @property
    def special(self) -> bool:
        """Whether it is a control token."""
        ...


class Tokenizer(Protocol):
    """The part of a transformers tokenizer that Parley uses."""

    @property
    def chat_template(self) -> str | None:
        """The model's own layout of a conversation, if it has one."""
        ...

    @property
    def all_special_tokens(self) -> list[str]:
        """The texts of the model's control tokens."""
        ...

    @property
    def added_tokens_decoder(self) -> Mapping[int, "AddedToken"]:
        """Id -> token, of all that were added to the vocabulary."""
        ...

    def encode(self, text: str, *, add_special_tokens: bool) -> list[int]:
        """Text to token ids."""
        ...

    def decode(self, token_ids: Sequence[int], *, skip_special_tokens: bool) -> str:
        """Token ids to text."""
        ...

    def apply_chat_template(
        self,
        conversation: Sequence[Mapping[str, object]],
        *,
        tokenize: bool,
        add_generation_prompt: bool,
        **arguments: bool | str | int,
    ) -> str:
        """Format a conversation as one text (with ``tokenize=False``)."""
        ...


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """A chat model that an engine of this process computes, apart from its weights."""

    name: str
    tokenizer: Tokenizer
    eos_token_ids: tuple[int, ...]
    """Those of its configuration and its tokenizer's: many fine-tunes name two."""
    context_tokens: int
    """The longest sequence the model was made for."""
    num_parameters: int
    """The number of its weights."""
    sampling: Sampling = GREEDY
    """The defaults of its ``generation_config``."""
    max_new_tokens: int | None = None
    """The longest answer that its maker or packager recommends; None: what is left."""


DEFAULT = "default"
"""The packaged model, as a value of ``PARLEY_MODEL``."""


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """The choice of model, device and number format, as in the settings."""

    model: str
    device: str
    dtype: str
    cache_dir: Path
    reads_pictures: bool = False
    """Whether pictures are to be shown to it, if it sees."""


Progress = Callable[[str], None]
"""A callback that receives a short sentence about the current step."""
