"""The factory of engines in this process: a model of the settings, and the batches that compute it.

``PARLEY_ENGINE`` names the library; with ``auto`` the model decides. Libraries are imported when
they are needed: torch alone takes seconds.
"""

import ctypes
import platform
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.errors import ModelUnavailableError
from shared.logs import get_logger
from shared.settings import Settings
from worker.engine.engine import BatchingEngine, EngineOptions
from worker.engine.gguf import DEFAULT_MODEL, ensure_converted
from worker.engine.openvino.files import (
    ModelSource,
    ensure_prepared,
    find_model,
    is_prepared,
    projector_of,
    why_not,
    why_not_worth,
)
from worker.engine.protocol import DEFAULT, ModelChoice, ModelInfo, PictureReader, Progress

if TYPE_CHECKING:
    from worker.engine.llamacpp.engine import LlamaEngine
    from worker.engine.transformers_engine.loader import LoadedModel

log = get_logger(__name__)

CUDA_LIBRARIES = ("libcuda.so.1", "nvcuda.dll")
"""The driver's own: without it torch cannot use a GPU either."""
OPENVINO_IS_BLIND = "OpenVINO is given texts alone here"
NO_PROJECTOR = "no *mmproj*.gguf lies beside the model's file"
NOTHING_TO_READ = "it is neither a GGUF file nor an OpenVINO model, and has no safetensors"
AUTO, OPENVINO, LLAMACPP, TRANSFORMERS = "auto", "openvino", "llamacpp", "transformers"


@dataclass(frozen=True, slots=True)
class OwnEngine:
    """An engine in this process, not open yet, and what it computes."""

    engine: "BatchingEngine | LlamaEngine"
    info: ModelInfo
    kind: str
    """The library that computes it: a value of ``PARLEY_ENGINE``."""
    device: str
    can_see: bool = False
    """Whether it accepts pictures."""
    reader: PictureReader | None = None
    """Lays pictures into prompts, where the engine does not."""
    why_blind: str = ""
    """Why it accepts none, where that is known."""

    @property
    def batching(self) -> BatchingEngine:
        """The engine, where it takes token ids.

        Raises:
            ModelUnavailableError: llama.cpp's server takes text.
        """
        if not isinstance(self.engine, BatchingEngine):
            raise ModelUnavailableError(
                f"llama.cpp computes {self.info.name} and takes no tokens: name another model, or "
                "another PARLEY_ENGINE, for this command."
            )
        return self.engine


def choice_of(settings: Settings, model: str = "") -> ModelChoice:
    """The model of the settings, or another one on the same device."""
    name = model or settings.model
    return ModelChoice(
        name, settings.device, settings.dtype, settings.cache_dir, settings.read_pictures
    )


def build(kind: str, choice: ModelChoice, options: EngineOptions, progress: Progress) -> OwnEngine:
    """Load a model and prepare an engine around it.

    Args:
        kind: ``PARLEY_ENGINE``.
        choice: the model.
        options: the operator's.
        progress: told what takes long.

    Raises:
        ModelUnavailableError: the model cannot be found or read, or not be computed so.
    """
    library, source = find_engine(kind, choice)
    if source is None:
        if reason := why_transformers(kind, choice):
            log.info("not_on_openvino", model=choice.model, reason=reason)
        return _on_transformers(choice, options, progress)
    if library == LLAMACPP:
        return _on_llamacpp(source, choice, options, progress)
    return _on_openvino(source, choice, options, progress)


def around(loaded: "LoadedModel", options: EngineOptions) -> BatchingEngine:
    """An engine around a model of transformers, not open yet."""
    from worker.engine.transformers_engine.batches import batches_of  # noqa: PLC0415 - as above

    return BatchingEngine(loaded.info, batches_of(loaded, options), options)


def find_engine(kind: str, choice: ModelChoice) -> tuple[str, ModelSource | None]:
    """The library that ``build`` computes a model with, and its file; None for transformers.

    Raises:
        ModelUnavailableError: a library was named that cannot compute the model, or is not here.
    """
    if kind == TRANSFORMERS or (kind == AUTO and not is_for_processors(choice.device)):
        return TRANSFORMERS, None
    source = find_model(choice.model)
    is_file = source is not None and (source.path is None or source.path.is_file())
    if kind == LLAMACPP and not is_file:
        raise ModelUnavailableError(
            "PARLEY_ENGINE is llamacpp, which computes GGUF files, and PARLEY_MODEL names none."
        )
    if kind == LLAMACPP:
        _require_llamacpp("PARLEY_ENGINE is llamacpp")
        return LLAMACPP, source
    reason = why_not(source) if source else NOTHING_TO_READ
    if kind == AUTO and source and not reason and _is_for_sight(source, choice):
        return LLAMACPP, source
    if source is not None and not reason and (kind == OPENVINO or not why_not_worth(source)):
        return OPENVINO, source
    if kind == OPENVINO:
        raise ModelUnavailableError(
            f"PARLEY_ENGINE is openvino, which cannot compute this model: {reason}. Remove "
            "PARLEY_ENGINE, or name another model."
        )
    if is_file:
        _require_llamacpp(reason)
        return LLAMACPP, source
    return TRANSFORMERS, None


def _is_for_sight(source: ModelSource, choice: ModelChoice) -> bool:
    """Whether llama.cpp would show pictures to a model that OpenVINO would compute without."""
    from worker.engine.llamacpp.server import is_installed  # noqa: PLC0415 - rarely needed

    is_file = source.path is not None and source.path.is_file()
    return choice.reads_pictures and is_file and bool(projector_of(source)) and is_installed()


def why_transformers(kind: str, choice: ModelChoice) -> str:
    """Why transformers computes a model on a processor; empty if it was asked to, or does not.

    Raises:
        ModelUnavailableError: as of ``find_engine``.
    """
    if kind != AUTO or not is_for_processors(choice.device):
        return ""
    library, _ = find_engine(kind, choice)
    if library != TRANSFORMERS:
        return ""
    source = find_model(choice.model)
    return (why_not(source) or why_not_worth(source)) if source else NOTHING_TO_READ


def _require_llamacpp(why: str) -> None:
    """Check that llama.cpp is here.

    Raises:
        ModelUnavailableError: it is not; ``why`` begins the sentence.
    """
    from worker.engine.llamacpp.server import is_installed  # noqa: PLC0415 - rarely needed

    if not is_installed():
        raise ModelUnavailableError(
            f"{why}, and llama.cpp is not installed: run `pip install 'parley[llamacpp]'`, or, "
            "where xllamacpp has no wheel, name a model for PARLEY_ENGINE=transformers."
        )


def is_ready_to_build(kind: str, choice: ModelChoice) -> bool:
    """Whether ``build`` finds the model's files made, or needs none.

    Raises:
        ModelUnavailableError: as of ``build``; the packaged model is looked for.
    """
    library, source = find_engine(kind, choice)
    if source is None or library == LLAMACPP or is_prepared(source, choice.cache_dir):
        return True
    source.find()
    return False


def prepare(kind: str, choice: ModelChoice, progress: Progress) -> None:
    """Have a model's files made that ``build`` would make, so that it can take as long as it does.

    Raises:
        ModelUnavailableError: as of ``build``.
    """
    library, source = find_engine(kind, choice)
    if library == OPENVINO and source is not None:
        ensure_prepared(source, choice.cache_dir, progress)
    elif choice.model == DEFAULT:
        ensure_converted(DEFAULT_MODEL, choice.cache_dir, progress)


def is_for_processors(device: str) -> bool:
    """Whether a model runs on the processor with this ``PARLEY_DEVICE``."""
    return device == "cpu" or (device == AUTO and not _has_accelerator())


def _has_accelerator() -> bool:
    """Whether torch can use a GPU here."""
    if not _may_have_accelerator():
        return False
    import torch  # noqa: PLC0415 - seconds of import

    return bool(torch.cuda.is_available() or torch.backends.mps.is_available())


def _may_have_accelerator() -> bool:
    if (platform.system(), platform.machine()) == ("Darwin", "arm64"):
        return True
    for name in CUDA_LIBRARIES:
        try:
            ctypes.CDLL(name)
        except OSError:
            continue
        return True
    return False


def _on_openvino(
    source: ModelSource, choice: ModelChoice, options: EngineOptions, progress: Progress
) -> OwnEngine:
    from worker.engine.openvino.model import info_of, open_batches  # noqa: PLC0415 - as torch

    prepared = ensure_prepared(source, choice.cache_dir, progress)
    progress(f"Loading {prepared.name}")
    penalty = options.sampling.over(prepared.sampling).repetition_penalty
    batches = open_batches(
        prepared,
        options.max_requests,
        options.cache_tokens,
        has_penalty=penalty not in (None, 1.0),
        dtype=choice.dtype,
    )
    is_packaged = prepared.name == DEFAULT_MODEL.name
    try:
        info = info_of(prepared, DEFAULT_MODEL.max_new_tokens if is_packaged else None)
        engine = BatchingEngine(info, batches, options)
        return OwnEngine(engine, info, OPENVINO, "cpu", why_blind=OPENVINO_IS_BLIND)
    except BaseException:  # also a signal: the process that loads the model already must end
        batches.close()
        raise


def _on_llamacpp(
    source: ModelSource, choice: ModelChoice, options: EngineOptions, progress: Progress
) -> OwnEngine:
    from worker.engine.llamacpp.engine import LlamaEngine  # noqa: PLC0415 - imports a client
    from worker.engine.llamacpp.server import LlamaServer  # noqa: PLC0415 - the same

    progress(f"Loading {source.name}")
    longest = options.max_new_tokens
    if longest is None and source.path is None:
        longest = DEFAULT_MODEL.max_new_tokens
    llama = LlamaServer(
        source, options.max_requests, options.cache_tokens, reads_pictures=choice.reads_pictures
    )
    engine = LlamaEngine(llama, longest, options.max_requests)
    why_blind = "" if engine.can_see else NO_PROJECTOR
    return OwnEngine(engine, engine.info, LLAMACPP, "cpu", engine.can_see, why_blind=why_blind)


def _on_transformers(choice: ModelChoice, options: EngineOptions, progress: Progress) -> OwnEngine:
    from worker.engine.transformers_engine.batches import proven_batches  # noqa: PLC0415 - as above
    from worker.engine.transformers_engine.loader import load_model, locate  # noqa: PLC0415 - as above
    from worker.engine.transformers_engine.processor import find_reader  # noqa: PLC0415 - as above

    loaded = load_model(choice, progress)
    reader, why_blind = None, ""
    if choice.reads_pictures:
        reader, why_blind = find_reader(locate(choice, progress), loaded)
    try:
        engine = BatchingEngine(
            loaded.info, proven_batches(loaded, options, sees=reader is not None), options
        )
    except Exception as error:  # whatever a model's own code raises
        raise ModelUnavailableError(
            f"The model {loaded.name} was loaded but cannot be computed on {loaded.model.device} "
            f"({_reason(error)}). Choose a smaller model or a quantised form of it if memory is "
            "short, another PARLEY_ENGINE or another PARLEY_MODEL."
        ) from error
    return OwnEngine(
        engine,
        loaded.info,
        TRANSFORMERS,
        str(loaded.model.device),
        reader is not None,
        reader,
        why_blind,
    )


def _reason(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".")[:300] if lines else type(error).__name__
