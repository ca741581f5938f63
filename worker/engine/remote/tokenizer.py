"""A byte tokenizer for remote models, whose real tokens only their server knows.

Tasks format, count and cut prompts by a tokenizer. Here a token is three bytes of UTF-8; few texts
have more real tokens than that. It is lossless, so that the engine can decode the prompt again.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from worker.engine.protocol import AddedToken

BYTES_A_TOKEN = 3
MARK = "<|conversation|>"
"""Begins a conversation, to tell it from a text that is to be continued. A control token of this
tokenizer, so no person's text contains it."""
Message = dict[str, str]


@dataclass(frozen=True, slots=True)
class ServerPrompt:
    """The parts of a prompt."""

    messages: tuple[Message, ...]
    """None: ``begun`` is a text to continue, without a conversation."""
    begun: str
    """The beginning of the answer."""


@dataclass(frozen=True, slots=True)
class PlainTokenizer:
    """A tokenizer of three bytes per token, for any language. See ``protocol.Tokenizer``."""

    chat_template: str = MARK
    all_special_tokens: list[str] = field(default_factory=lambda: [MARK])
    added_tokens_decoder: Mapping[int, AddedToken] = field(default_factory=dict)

    def encode(self, text: str, *, add_special_tokens: bool) -> list[int]:
        """Encode: each number is three bytes behind a one, so that leading zeros count."""
        del add_special_tokens
        data = text.encode(errors="replace")
        parts = (data[at : at + BYTES_A_TOKEN] for at in range(0, len(data), BYTES_A_TOKEN))
        return [int.from_bytes(b"\1" + part) for part in parts]

    def decode(self, token_ids: Sequence[int], *, skip_special_tokens: bool) -> str:
        """Decode; half a character at either end, from a part of a longer text, is dropped."""
        del skip_special_tokens
        parts = (number.to_bytes(BYTES_A_TOKEN + 1).lstrip(b"\0")[1:] for number in token_ids)
        return b"".join(parts).decode(errors="ignore")

    def apply_chat_template(
        self,
        conversation: Sequence[Mapping[str, object]],
        *,
        tokenize: bool,
        add_generation_prompt: bool,
        **arguments: bool | str | int,
    ) -> str:
        """The messages as they are, followed by the beginning of the answer."""
        del tokenize, add_generation_prompt, arguments
        return MARK + json.dumps(conversation, ensure_ascii=False)


def asked_by(prompt_ids: Sequence[int]) -> ServerPrompt:
    """Parse a prompt that was formatted with ``PlainTokenizer``."""
    text = PlainTokenizer().decode(prompt_ids, skip_special_tokens=False)
    if not text.startswith(MARK):
        return ServerPrompt((), text)
    messages, end = json.JSONDecoder().raw_decode(text, len(MARK))
    return ServerPrompt(tuple(messages), text[end:])
