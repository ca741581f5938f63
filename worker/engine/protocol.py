"""The interface of an engine: submit a request, read pieces, maybe cancel.

Plain data and a Protocol; imports no torch, so tasks and prompts stay light.
"""
# Pure.

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from shared.replies import FinishReason


@dataclass(frozen=True, slots=True)
class Sampling:
    """The parameters of the sampler."""

    temperature: float = 0.0
    """0 picks the most likely token."""
    top_p: float = 1.0
    seed: int | None = None
    """The same seed draws the same tokens, independent of the rest of the batch; None: any."""


@dataclass(frozen=True, slots=True)
class Request:
    """One answer to generate."""

    id: str
    """Unique among the requests in the engine."""
    prompt_ids: tuple[int, ...]
    max_new_tokens: int
    sampling: Sampling = Sampling()
    stop: tuple[str, ...] = ()
    """Generation ends before any of these texts."""
    pictures: tuple[str, ...] = ()
    """``data:`` URLs of the pictures beside the question; only for an engine that accepts them."""
    salt: str = ""
    """The tenant of the request, such as ``slack:T1``: only requests with the same salt share
    cached
    prefixes, so that response times do not reveal what others have asked."""


class Generation(Protocol):
    """An answer being generated."""

    def __iter__(self) -> Iterator[str]:
        """Pieces of text as they arrive; never half a character, never part of a stop text.

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


@dataclass(frozen=True, slots=True)
class RequestLimits:
    """The size limits of one request, in tokens."""

    max_total_tokens: int
    """Prompt and answer together: the model's context or the cache, whichever is smaller."""
    max_new_tokens: int

    @property
    def max_prompt_tokens(self) -> int:
        """The longest prompt that still leaves room for an answer."""
        return self.max_total_tokens - self.max_new_tokens


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
        self, conversation: list[dict[str, str]], *, tokenize: bool, add_generation_prompt: bool
    ) -> str:
        """Format a conversation as one text (with ``tokenize=False``)."""
        ...


Progress = Callable[[str], None]
"""A callback that receives a short sentence about the current step."""
