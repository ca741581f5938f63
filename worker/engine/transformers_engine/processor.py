"""Prompts with pictures, by the processor that transformers has for a model that sees.

Only pictures are read: the parts of a processor for films and sound need packages of their own, and
are left out.
"""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import (
    AutoImageProcessor,
    AutoModelForImageTextToText,
    AutoTokenizer,
    PretrainedConfig,
)
from transformers.models.auto.processing_auto import PROCESSOR_MAPPING, processor_class_from_name
from transformers.processing_utils import ProcessorMixin

from shared.errors import UnreadablePictureError
from worker.engine.pictures import MAX_SIDE, MAX_SIDE_ON_CPU, SAMPLE_URL, decode_url
from worker.engine.protocol import PicturedPrompt
from worker.engine.transformers_engine.families import class_of
from worker.engine.transformers_engine.loader import MAX_REASON_CHARS, LoadedModel

BY_TOKEN = frozenset(
    {"token_type_ids", "mm_token_type_ids", "moe_mm_token_type_ids", "cross_attention_mask"}
)
"""Inputs with an entry for each token of the prompt."""
UNUSED = frozenset({"input_ids", "attention_mask"})
"""The tokens come on their own, and nothing is padded."""


@dataclass(frozen=True, slots=True)
class PictureInputs:
    """What a model computes of a prompt's pictures, in main memory."""

    tensors: Mapping[str, Any]
    num_tokens: int
    """Of the prompt."""

    def on(self, device: torch.device, dtype: torch.dtype, num_tokens: int) -> dict[str, Any]:
        """The arguments of the model's first step.

        Args:
            device: where it computes.
            dtype: of the model; that of numbers that are no counts.
            num_tokens: the prompt's, and those that were written already, which are text.
        """
        moved = dict(self.tensors)
        for name, value in self.tensors.items():
            if isinstance(value, torch.Tensor):
                whole = self._extended(value, num_tokens) if name in BY_TOKEN else value
                moved[name] = whole.to(device, dtype if value.is_floating_point() else value.dtype)
        return moved

    def _extended(self, value: torch.Tensor, num_tokens: int) -> torch.Tensor:
        """What is said of each token, for more tokens of text; the prompt's last one is text."""
        num_more = num_tokens - self.num_tokens
        return torch.cat([value, value[:, -1:].expand(-1, num_more, *value.shape[2:])], dim=1)


class ProcessorReader:
    """Lays pictures into prompts by a model's processor; see ``protocol.PictureReader``.

    Thread-safe: its tokenizer is its own, and one prompt is read at a time.
    """

    def __init__(self, processor: Any, max_side: int) -> None:  # noqa: ANN401 - of any family
        """``max_side``: of pictures as the processor gets them, in pixels."""
        tokenizer = processor.tokenizer
        if tokenizer.pad_token is None:  # some processors pad even a single prompt
            tokenizer.pad_token = tokenizer.eos_token
        self._processor = processor
        self._max_side = max_side
        self._lock = threading.Lock()

    @property
    def marks(self) -> Sequence[str]:
        """The texts that stand for a picture in a prompt."""
        held = vars(self._processor).items()
        return sorted({str(value) for name, value in held if name.endswith("_token") and value})

    def read(self, text: str, pictures: Sequence[str]) -> PicturedPrompt:
        """Read a prompt. See ``protocol.PictureReader``."""
        images = [decode_url(url, self._max_side) for url in pictures]
        try:
            with self._lock:
                made = self._processor(
                    text=[text], images=[images], add_special_tokens=False, return_tensors="pt"
                )
        except (ValueError, TypeError, IndexError, RuntimeError) as error:
            raise UnreadablePictureError("cannot be shown to this model") from error
        token_ids = made["input_ids"][0].tolist()
        tensors = {name: value for name, value in made.items() if name not in UNUSED}
        return PicturedPrompt(tuple(token_ids), PictureInputs(tensors, len(token_ids)))


def why_blind(config: PretrainedConfig) -> str:
    """Why a model of this configuration sees no pictures; empty if it may."""
    known = AutoModelForImageTextToText._model_mapping.get(type(config), None)  # noqa: SLF001 - no other way
    if known is None or known is not class_of(config):
        return "it was made for text alone"
    return ""


def find_reader(place: str, loaded: LoadedModel) -> tuple[ProcessorReader | None, str]:
    """The reader of pictures for a model, or why it has none.

    A chat template that only the processor knows becomes the tokenizer's.

    Args:
        place: its folder, or a hub id.
        loaded: the model.
    """
    config: PretrainedConfig = loaded.model.config
    tokenizer: Any = loaded.tokenizer
    if reason := why_blind(config):
        return None, reason
    try:
        processor = load_processor(place, config)
    except Exception as error:  # noqa: BLE001 - whatever a family's own parts raise
        return None, f"its processor cannot be loaded: {_reason(error)}"
    if not tokenizer.chat_template and processor.chat_template:
        tokenizer.chat_template = processor.chat_template
    is_cpu = loaded.model.device.type == "cpu"
    reader = ProcessorReader(processor, MAX_SIDE_ON_CPU if is_cpu else MAX_SIDE)
    parts = [{"type": "image"}, {"type": "text", "text": "Hello"}]
    try:
        text = tokenizer.apply_chat_template(
            [{"role": "user", "content": parts}], tokenize=False, add_generation_prompt=True
        )
        reader.read(text, [SAMPLE_URL])
    except Exception as error:  # noqa: BLE001 - whatever a template or a processor raises
        cause = error.__cause__ or error
        return None, f"its processor or its chat template takes no picture: {_reason(cause)}"
    return reader, ""


def _reason(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    return lines[0].partition(". ")[0].rstrip(".:")[:MAX_REASON_CHARS]


def load_processor(place: str, config: PretrainedConfig) -> Any:  # noqa: ANN401 - of any family
    """The processor in a model's folder, without its parts for films and sound.

    Args:
        place: the folder, or a hub id.
        config: the model's.

    Raises:
        OSError, ValueError, ImportError, KeyError: a part is missing or cannot be read.
    """
    named, _ = ProcessorMixin.get_processor_dict(place)
    made: Any = processor_class_from_name(named.get("processor_class") or "")
    made = made or PROCESSOR_MAPPING[type(config)]

    class PictureProcessor(made):  # type: ignore[misc] # a class that is known when it runs
        """The same, which does not require the parts that are left out."""

        def check_argument_for_proper_class(self, name: str, part: object) -> object:
            return part and super().check_argument_for_proper_class(name, part)

    loaders: dict[str, Any] = {"image_processor": AutoImageProcessor, "tokenizer": AutoTokenizer}
    parts = [
        loaders[name].from_pretrained(place, trust_remote_code=False) if name in loaders else None
        for name in made.get_attributes()
    ]
    return PictureProcessor.from_args_and_dict(parts, named)
