"""The model of the harness and what it would have written undisturbed.

The model is small and real, and so sensitive to every token before that an answer which was cut,
begun anew, or meant for another question is not what it would have written. The reference asks it
once for each answer: is every letter the likeliest one after the prompt and the letters before?
"""

import string
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from tests.fakes.tiny_model import make_tokenizer
from worker.engine.protocol import RequestLimits
from worker.prompts.chat import PromptInput, make_prompt

SEED = 1
CONTEXT_TOKENS = 4096
SPREAD = 0.3
"""Standard deviation of the layers' weights: with the usual 0.02 the prompt hardly matters."""
TIE = 1e-3
"""Two letters whose logits differ by less may change places with the batch they are computed in."""
BATCH = 32


def save_model(folder: Path) -> Path:
    """Make the model in this folder; it writes letters until its length limit."""
    transformers.utils.logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # no types
    tokenizer = make_tokenizer(has_template=True)
    tokenizer.save_pretrained(folder)
    torch.manual_seed(SEED)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=CONTEXT_TOKENS,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        tie_word_embeddings=False,
        initializer_range=SPREAD,
    )
    model = LlamaForCausalLM(config)
    letters = [tokenizer.encode(char, add_special_tokens=False)[0] for char in string.ascii_letters]
    with torch.no_grad():
        model.model.embed_tokens.weight.normal_(std=1.0)
        head = torch.zeros_like(model.lm_head.weight)  # (vocabulary, hidden)
        head[letters] = torch.randn(len(letters), config.hidden_size)
        model.lm_head.weight.copy_(head)
    model.save_pretrained(folder, safe_serialization=True)
    return folder


@dataclass(frozen=True, slots=True)
class Seen:
    """An answer as users saw it, and the prompt that it is the answer to."""

    prompt_ids: tuple[int, ...]
    answer: str


class Reference:
    """The undisturbed model."""

    def __init__(self, folder: Path, num_letters: int) -> None:
        torch.set_num_threads(1)
        self._model: LlamaForCausalLM = LlamaForCausalLM.from_pretrained(folder)
        self._tokenizer: Any = make_tokenizer(has_template=True)
        self._num_letters = num_letters

    def prompt(self, question: PromptInput) -> tuple[int, ...]:
        """The tokens that a worker would make of a question."""
        limits = RequestLimits(CONTEXT_TOKENS, self._num_letters)
        return make_prompt(question, self._tokenizer, limits).token_ids

    def expect(self, seen: Sequence[Seen]) -> list[str]:
        """What the whole answers are: those that were seen, if they are right, else the right ones.

        A letter that ties with the likeliest one is right.
        """
        expected: dict[int, str] = {}
        # By length, so that little of a batch is padding.
        for batch in _batches(sorted(enumerate(seen), key=lambda pair: len(pair[1].prompt_ids))):
            faults = self._find_faults([one for _, one in batch])
            for (number, one), fault in zip(batch, faults, strict=True):
                expected[number] = self._right(one, fault)
        return [expected[number] for number in range(len(seen))]

    def _right(self, seen: Seen, fault: int) -> str:
        if fault == self._num_letters == len(seen.answer):
            return seen.answer
        return seen.answer[:fault] + self._go_on(seen, fault)

    def _go_on(self, seen: Seen, num_right: int) -> str:
        """What the model writes after so many right letters."""
        start = [*seen.prompt_ids, *_ids(self._tokenizer, seen.answer[:num_right])]
        left = self._num_letters - num_right
        if left <= 0:
            return ""
        with torch.no_grad():
            written = self._model.generate(  # type: ignore[misc]  # its types forbid models
                torch.tensor([start]), max_new_tokens=left, do_sample=False
            )
        return str(self._tokenizer.decode(written[0][len(start) :]))

    def _find_faults(self, seen: Sequence[Seen]) -> list[int]:
        """For each answer the place of its first letter that the model would not have written."""
        rows = [[*one.prompt_ids, *_ids(self._tokenizer, one.answer)] for one in seen]
        width = max(len(row) for row in rows)
        tokens = torch.tensor([row + [0] * (width - len(row)) for row in rows])  # (batch, time)
        with torch.no_grad():
            # Padding stands on the right, where a causal model does not see it.
            logits = self._model(tokens).logits  # (batch, time, vocabulary), float32
        faults = []
        for k, one in enumerate(seen):
            begin, end = len(one.prompt_ids), len(rows[k])
            chosen = tokens[k, begin:end].unsqueeze(-1)  # (letters, 1)
            before = logits[k, begin - 1 : end - 1]  # (letters, vocabulary)
            lacks = before.max(dim=-1).values - before.gather(-1, chosen).squeeze(-1)
            wrong = (lacks > TIE).nonzero().flatten().tolist()
            faults.append(min([*wrong, self._num_letters, end - begin]))
        return faults


def _ids(tokenizer: PreTrainedTokenizerFast, text: str) -> list[int]:
    return list(tokenizer.encode(text, add_special_tokens=False))


def _batches(items: Sequence[tuple[int, Seen]]) -> Iterator[Sequence[tuple[int, Seen]]]:
    for start in range(0, len(items), BATCH):
        yield items[start : start + BATCH]
