"""What a model's files or its server say of it, without its weights.

None are read, and none are downloaded for a model of transformers.
"""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from shared.errors import ModelUnavailableError
from shared.settings import Settings
from worker.engine.factory import (
    LLAMACPP,
    TRANSFORMERS,
    choice_of,
    find_engine,
    why_transformers,
)
from worker.engine.gguf import DEFAULT_MODEL, fields_of
from worker.engine.openvino.facts import (
    facts_of_folder,
    facts_of_gguf,
)
from worker.engine.openvino.files import (
    FACTS_FILE,
    ModelSource,
    folder_for,
    is_prepared,
    projector_of,
    sampling_beside,
)
from worker.engine.protocol import DEFAULT, GREEDY, Progress, Sampling
from worker.engine.remote.tokenizer import PlainTokenizer
from worker.engine.thinking.notation import Notation, notation_of

CONFIG, GENERATION = "the model's config", "the model's generation_config"
GGUF_FILE, TEMPLATE, SERVER = "the GGUF file", "the model's chat template", "the model server"
OURS = "Parley's default"
UNKNOWN = "unknown"
UNNAMED = Sampling()


@dataclass(frozen=True, slots=True)
class DescribedModel:
    """What a model's files, or its server, say."""

    name: str
    engine: str
    device: str
    dtype: str
    dtype_source: str
    context_tokens: int
    source: str
    """Where its facts are from."""
    template: Notation | None = None
    """What its chat template says of thoughts; None for a server's, which is not seen."""
    eos_token_ids: tuple[int, ...] = ()
    num_parameters: int | None = None
    sampling: Sampling = UNNAMED
    """What it names itself."""
    sampling_source: str = GENERATION
    unnamed: Sampling = GREEDY
    """What holds for the rest."""
    left_to: str = ""
    """The program that decides what nobody names; empty: Parley."""
    longest: int | None = None
    """The longest answer that its maker or packager recommends."""
    sees: bool | None = None
    """Whether its engine can show it pictures; None where that is not known."""
    why_transformers: str = ""
    """Why not the engine for processors, on a processor where nothing else was asked for."""


def describe(settings: Settings, progress: Progress) -> DescribedModel:
    """Find the settings' model and read what is said of it.

    Args:
        settings: the operator's.
        progress: told what takes long.

    Raises:
        ModelUnavailableError: there is no such model, or its files cannot be read.
        ModelServerSilentError: the model server does not answer.
    """
    if settings.engine == "openai":
        return _on_server(settings)
    choice = choice_of(settings)
    engine, source = find_engine(settings.engine, choice)
    if source is None:
        return _on_transformers(settings, progress)
    path = source.find()
    if path.is_dir():
        return _openvino_folder(settings, engine, source, path)
    return _gguf_file(settings, engine, source, path)


def _gguf_file(settings: Settings, engine: str, source: ModelSource, path: Path) -> DescribedModel:
    fields = fields_of(path)
    facts = facts_of_gguf(fields)
    template = str(fields.get("tokenizer.chat_template", ""))
    types = ", ".join(sorted(fields["tensor_types"]))
    return DescribedModel(
        name=source.name,
        engine=engine,
        device="cpu",
        dtype=settings.dtype if settings.dtype != "auto" else f"auto, weights in {types}",
        dtype_source=GGUF_FILE,
        context_tokens=facts["context_tokens"],
        source=GGUF_FILE,
        template=notation_of(PlainTokenizer(chat_template=template)),
        eos_token_ids=tuple(facts["eos_token_ids"]),
        num_parameters=fields["num_weights"],
        sampling=Sampling(**facts["sampling"]),
        sampling_source=GGUF_FILE,
        unnamed=UNNAMED if engine == LLAMACPP else sampling_beside(template),
        left_to="llama.cpp" if engine == LLAMACPP else "",
        longest=DEFAULT_MODEL.max_new_tokens if source.name == DEFAULT_MODEL.name else None,
        sees=engine == LLAMACPP and bool(projector_of(source)),
    )


def _openvino_folder(
    settings: Settings, engine: str, source: ModelSource, path: Path
) -> DescribedModel:
    tokenizer = _tokenizer(source.name, str(path))
    facts = facts_of_folder(path, tokenizer.eos_token_id)
    prepared = folder_for(source, settings.cache_dir) / FACTS_FILE
    weights = "weights in Q8_0" if source.is_exported else "as the folder's weights"
    known = json.loads(prepared.read_text()) if is_prepared(source, settings.cache_dir) else {}
    return DescribedModel(
        name=source.name,
        engine=engine,
        device="cpu",
        dtype=settings.dtype if settings.dtype != "auto" else f"auto, {weights}",
        dtype_source=OURS if source.is_exported else "the model's folder",
        context_tokens=facts["context_tokens"],
        source=CONFIG,
        template=notation_of(tokenizer),
        eos_token_ids=tuple(facts["eos_token_ids"]),
        num_parameters=known.get("num_parameters"),
        sampling=Sampling(**facts["sampling"]),
        unnamed=sampling_beside(str(tokenizer.chat_template or "")),
        sees=False,
    )


def _on_transformers(settings: Settings, progress: Progress) -> DescribedModel:
    from worker.engine.devices import pick_device, pick_dtype  # noqa: PLC0415 - seconds of import
    from worker.engine.transformers_engine.families import (  # noqa: PLC0415 - the same
        context_of,
        text_config_of,
        why_no_language_model,
    )
    from worker.engine.transformers_engine.loader import (  # noqa: PLC0415 - the same
        locate,
        name_of,
        sampling_of,
    )
    from worker.engine.transformers_engine.processor import why_blind  # noqa: PLC0415 - the same

    name, device = name_of(settings.model), pick_device(settings.device)
    place = locate(choice_of(settings), progress)
    config = _config(name, place)
    if why := why_no_language_model(config):
        raise ModelUnavailableError(
            f"The model {name} cannot be used: {why}. Name another one in PARLEY_MODEL."
        )
    tokenizer = _tokenizer(name, place)
    generation = _generation(place)
    places = (text_config_of(config), config, tokenizer)  # a model that sees has no own there
    named = [getattr(place, "eos_token_id", None) for place in places]
    ends = [generation.get("eos_token_id"), *named]
    flat = {each for one in ends for each in (one if isinstance(one, list | tuple) else [one])}
    sampling = sampling_of(SimpleNamespace(**generation))
    if not generation.get("do_sample"):
        sampling = dataclasses.replace(sampling, temperature=None)  # ours, and not the model's
    return DescribedModel(
        name=name,
        engine=TRANSFORMERS,
        device=device.type,
        dtype=str(pick_dtype(settings.dtype, device)).removeprefix("torch."),
        dtype_source=OURS,
        context_tokens=context_of(config, getattr(tokenizer, "model_max_length", None)),
        source=CONFIG,
        template=notation_of(tokenizer),
        eos_token_ids=tuple(sorted(each for each in flat if each is not None)),
        num_parameters=_num_parameters(config),
        sampling=sampling,
        longest=DEFAULT_MODEL.max_new_tokens if settings.model == DEFAULT else None,
        sees=not why_blind(config),
        why_transformers=why_transformers(settings.engine, choice_of(settings)),
    )


def _config(name: str, place: str) -> Any:  # noqa: ANN401 - a configuration of any family
    from transformers import AutoConfig  # noqa: PLC0415 - seconds of import

    try:
        return AutoConfig.from_pretrained(place, trust_remote_code=False)
    except Exception as error:  # its own checks raise errors of many kinds
        raise _unreadable(name, error) from error


def _tokenizer(name: str, place: str) -> Any:  # noqa: ANN401 - a tokenizer of any family
    from transformers import AutoTokenizer  # noqa: PLC0415 - seconds of import

    try:
        return AutoTokenizer.from_pretrained(place, trust_remote_code=False)
    except Exception as error:  # as above
        raise _unreadable(name, error) from error


def _unreadable(name: str, error: Exception) -> ModelUnavailableError:
    lines = str(error).strip().splitlines()
    reason = lines[0].rstrip(".:") if lines else type(error).__name__
    return ModelUnavailableError(
        f"The model {name} cannot be read ({reason}): PARLEY_MODEL takes a GGUF file, a model's "
        "folder, a hub id, or the word default."
    )


def _generation(place: str) -> dict[str, Any]:
    """The model's ``generation_config.json``, without the defaults of a library."""
    from transformers.utils.hub import cached_file  # noqa: PLC0415 - seconds of import

    file = cached_file(
        place,
        "generation_config.json",
        _raise_exceptions_for_gated_repo=False,
        _raise_exceptions_for_missing_entries=False,
        _raise_exceptions_for_connection_errors=False,
    )
    read: dict[str, Any] = json.loads(Path(file).read_text()) if file else {}
    return read


def _num_parameters(config: Any) -> int | None:  # noqa: ANN401 - as above
    """Counted on a model without storage; None for one that cannot be built so."""
    import torch  # noqa: PLC0415 - seconds of import

    from worker.engine.transformers_engine.families import class_of  # noqa: PLC0415 - the same

    kind = class_of(config)
    if kind is None:
        return None
    try:
        with torch.device("meta"):
            model = kind(config)
    except Exception:  # noqa: BLE001 - whatever a family lacks, only a count is missing
        return None
    return int(model.num_parameters())


def _on_server(settings: Settings) -> DescribedModel:
    from worker.engine.remote.server import find_server  # noqa: PLC0415 - a second of import

    server = find_server(settings)
    return DescribedModel(
        name=server.model,
        engine="openai",
        device=server.base_url,
        dtype=UNKNOWN,
        dtype_source=SERVER,
        context_tokens=server.context_tokens,
        source=f"{SERVER}, or {OURS} where it does not say",
        num_parameters=server.num_parameters,
        sampling_source=SERVER,
        unnamed=UNNAMED,
        left_to=SERVER,
    )
