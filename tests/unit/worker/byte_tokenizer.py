"""A tokenizer small enough to count with: one token a byte, and a template a person can read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import jinja2

BEGIN = 256
"""The token that some tokenizers put before everything."""


@dataclass(frozen=True)
class Added:
    """A token beside the bytes."""

    content: str
    special: bool


@dataclass(frozen=True)
class ByteTokenizer:
    """One token a byte. With ``has_template`` it lays conversations out as ``[role] text|``."""

    has_template: bool = True
    refuses_system: bool = False
    control_tokens: tuple[str, ...] = ("<|end|>", "<|user|>")
    added_tokens: tuple["Added", ...] = ()

    @property
    def chat_template(self) -> str | None:
        return "{{ messages }}" if self.has_template else None

    @property
    def all_special_tokens(self) -> list[str]:
        return list(self.control_tokens)

    @property
    def added_tokens_decoder(self) -> dict[int, "Added"]:
        return dict(enumerate(self.added_tokens, start=BEGIN + 1))

    def encode(self, text: str, *, add_special_tokens: bool) -> list[int]:
        return [BEGIN] * add_special_tokens + list(text.encode())

    def decode(self, token_ids: Sequence[int], *, skip_special_tokens: bool) -> str:
        assert skip_special_tokens
        return bytes(token for token in token_ids if token < BEGIN).decode(errors="replace")

    def apply_chat_template(
        self,
        conversation: Sequence[Mapping[str, object]],
        *,
        tokenize: bool,
        add_generation_prompt: bool,
        **arguments: bool | str | int,
    ) -> str:
        del arguments
        assert not tokenize
        roles = [message["role"] for message in conversation]
        if self.refuses_system and "system" in roles:
            raise jinja2.TemplateError("System role not supported")
        persons = [role for role in roles if role != "system"]
        if persons != ["user", "assistant"] * (len(persons) // 2) + ["user"]:
            raise jinja2.TemplateError("Conversation roles must alternate user/assistant/...")
        laid_out = "".join(f"[{m['role']}] {m['content']}|" for m in conversation)
        return laid_out + "[assistant] " * add_generation_prompt
