"""What an engine is, to everybody who is not one: submit a request, read pieces, maybe cancel.

Plain data and a Protocol; imports no torch, so tasks and prompts stay light.
"""
# Pure.

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from shared.replies import FinishReason


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is chosen."""

    temperature: float = 0.0
    """0 takes the likeliest token."""
    top_p: float = 1.0
    seed: int | None = None
    """The same seed draws the same tokens, whatever else is being written; None: any."""


@dataclass(frozen=True, slots=True)
class Request:
    """One answer to write."""

    id: str
    """Unique among the requests in the engine."""
    prompt_ids: tuple[int, ...]
    max_new_tokens: int
    sampling: Sampling = Sampling()
    stop: tuple[str, ...] = ()
    """Writing ends before any of these texts."""
    pictures: tuple[str, ...] = ()
    """``data:`` URLs of what is to be seen beside the question; only for an engine that can."""
    salt: str = ""
    """Whose request it is, such as ``slack:T1``: only requests with the same salt share the cache
    of equal beginnings, so that nobody can tell by the time what others have asked."""


class Generation(Protocol):
    """An answer being written."""

    def __iter__(self) -> Iterator[str]:
        """Pieces of text as they come; never half a character, never part of a stop text.

        Raises:
            EngineError: the batch died with this request alone in it, or is stuck with it.
            EngineLostError: the engine failed for good; nothing is known against the request.
        """
        ...

    @property
    def num_tokens(self) -> int:
        """How many tokens have been written so far."""
        ...

    @property
    def finish_reason(self) -> FinishReason | None:
        """Why writing ended; None while it goes on and after a cancel."""
        ...


class Engine(Protocol):
    """A model that writes many answers at once."""

    @property
    def num_running(self) -> int:
        """How many answers are being written."""
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
        """Stop; answers being written end as if cancelled."""
        ...


@dataclass(frozen=True, slots=True)
class RequestLimits:
    """What fits in one request, in tokens."""

    max_total_tokens: int
    """Prompt and answer together: the model's context or the cache, whichever is smaller."""
    max_new_tokens: int

    @property
    def max_prompt_tokens(self) -> int:
        """The longest prompt that still leaves room for an answer."""
        return self.max_total_tokens - self.max_new_tokens


class AddedToken(Protocol):
    """A token beside the learned ones."""

    @property
    def content(self) -> str:
        """Its text."""
        ...

    @property
    def special(self) -> bool:
        """Whether it steers the model."""
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
        """Lay a conversation out as one text (with ``tokenize=False``)."""
        ...


Progress = Callable[[str], None]
"""Told in a short sentence what is being done now."""
