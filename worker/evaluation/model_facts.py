"""What is in force for a model, and from where, for ``parley model show``.

A ``PARLEY_`` setting goes before what the model's files or its server say, and that before Parley's
own defaults.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TextIO

import rich.box
import rich.markup
from rich.console import Console
from rich.table import Table as RichTable

from shared.settings import Settings
from worker.chat_model import sampling_of
from worker.engine.description.model import OURS, SERVER, TEMPLATE, DescribedModel
from worker.engine.openvino.facts import SAMPLING_FIELDS
from worker.engine.protocol import RequestLimits
from worker.evaluation.report import Figure


@dataclass(frozen=True, slots=True)
class ModelFact:
    """One value that is in force."""

    name: str
    value: Figure
    """None: not known, not used, or left to others."""
    source: str
    absent: str = "unknown"
    """What people read for None."""


def facts_of(settings: Settings, described: DescribedModel) -> tuple[ModelFact, ...]:
    """What is in force, in the order of its importance."""
    is_served = described.engine == "openai"
    total = min(described.context_tokens, settings.cache_tokens or described.context_tokens)
    limits = RequestLimits.of(total, settings.max_new_tokens, described.longest)
    context_key = "openai_context_tokens" if is_served else ""
    longest = "what the context leaves" if described.longest is None else "the model's packager"
    eos = "the model server's own" if is_served else f"{described.source} and its tokenizer"
    return (
        ModelFact("model", described.name, _source(settings, "model")),
        ModelFact("engine", described.engine, _source(settings, "engine")),
        *_engine_facts(described),
        ModelFact("device", described.device, _source(settings, "device"))
        if not is_served
        else ModelFact("device", described.device, "PARLEY_OPENAI_BASE_URL"),
        ModelFact(
            "number format", described.dtype, _source(settings, "dtype", described.dtype_source)
        ),
        ModelFact("parameters", described.num_parameters, described.source),
        ModelFact(
            "context tokens",
            described.context_tokens,
            _source(settings, context_key, described.source),
        ),
        ModelFact(
            "cache tokens",
            settings.cache_tokens,
            _source(settings, "cache_tokens", SERVER if is_served else "the free memory at start"),
            "as many as fit",
        ),
        ModelFact(
            "longest answer", limits.max_new_tokens, _source(settings, "max_new_tokens", longest)
        ),
        *_sampling_facts(settings, described),
        *_thinking_facts(settings, described),
        ModelFact("end-of-text ids", list(described.eos_token_ids) or None, eos),
        ModelFact("pictures are read", settings.read_pictures, _source(settings, "read_pictures")),
        ModelFact("model sees", described.sees, described.source),
    )


def _engine_facts(described: DescribedModel) -> Iterator[ModelFact]:
    if described.why_transformers:
        yield ModelFact("why not openvino", described.why_transformers, described.source)


def _sampling_facts(settings: Settings, described: DescribedModel) -> Iterator[ModelFact]:
    chosen = sampling_of(settings)
    in_force = chosen.over(described.sampling).over(described.unnamed)
    absent = f"left to {described.left_to}" if described.left_to else "not used"
    for name, _ in SAMPLING_FIELDS:
        source = described.sampling_source
        if getattr(chosen, name) is not None:
            source = _source(settings, name)
        elif getattr(described.sampling, name) is None:
            source = described.left_to or OURS
        value = getattr(in_force, name)
        yield ModelFact(name.replace("_", " "), value, source, absent)


def _thinking_facts(settings: Settings, described: DescribedModel) -> Iterator[ModelFact]:
    yield ModelFact("thinking", settings.thinking, _source(settings, "thinking"))
    longest = _source(settings, "max_thinking_tokens")
    yield ModelFact("longest thought", settings.max_thinking_tokens, longest)
    notation = described.template
    if notation is None:
        yield ModelFact("model thinks", None, f"{SERVER}, whose template is not seen")
        return
    marks = [notation.tags.opening] if notation.tags else []
    marks += ["channels"] if notation.has_channels else []
    marks += sorted(notation.arguments)
    yield ModelFact("model thinks", ", ".join(marks) if notation.may_think else "no", TEMPLATE)


def _source(settings: Settings, name: str, otherwise: str = OURS) -> str:
    """The setting's key if the operator set it."""
    if name not in settings.model_fields_set:
        return otherwise
    return str(Settings.model_fields[name].alias)


def show_facts(facts: tuple[ModelFact, ...], out: TextIO, *, as_json: bool) -> None:
    """Print the facts, for people or as one JSON object on one line."""
    if as_json:
        figures = {fact.name: {"value": fact.value, "from": fact.source} for fact in facts}
        out.write(json.dumps(figures) + "\n")
        return
    table = RichTable(box=rich.box.SIMPLE_HEAD)
    for column in ("", "in force", "from"):
        table.add_column(column, no_wrap=True)
    for fact in facts:
        table.add_row(fact.name, rich.markup.escape(_told(fact)), fact.source)
    Console(file=out, soft_wrap=True, highlight=False, width=WIDTH).print(table)


WIDTH = 200
"""Lines are never wrapped: a terminal does that."""


def _told(fact: ModelFact) -> str:
    match fact.value:
        case None:
            return fact.absent
        case bool(is_so):
            return "yes" if is_so else "no"
        case int(number):
            return f"{number:,}"
        case list(numbers):
            return ", ".join(map(str, numbers))
        case value:
            return str(value)
