"""Files of a hub's models: fetched into the hub library's cache, or found there without a network.

The hub is asked once, with a timeout, before anything is fetched: its library tries an unreachable
hub six times for each file, with pauses, which is minutes for a wrong name.
"""

import contextlib
import functools
import os
import sys
from pathlib import Path

import httpx2
from huggingface_hub import HfApi, constants, snapshot_download, try_to_load_from_cache
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
)
from huggingface_hub.utils.tqdm import disable_progress_bars, enable_progress_bars

from shared.errors import ModelUnavailableError
from shared.logs import get_logger
from worker.engine.safetensors_folder import CONFIG, weights_of

log = get_logger(__name__)

ANSWER_S = 5.0
"""To connect, and then for each part of the answer. The hub answers in tenths of a second."""
DESCRIPTION = (CONFIG, "*.json", "*.jinja", "*.txt", "*.model", "*.spm")
"""All but the weights: configuration, tokenizer, chat template; kilobytes to some megabytes."""
FAULTS = (OSError, ValueError, httpx2.HTTPError)
"""What its library raises: its own errors are of these, and a wrong name is a ``ValueError``."""


def fetch_description(model: str, setting: str) -> Path:
    """The folder of a model's files but its weights.

    Args:
        model: its hub id.
        setting: what names it, for the sentence.

    Raises:
        ModelUnavailableError: it is neither at the hub nor in the cache; the sentence says why.
    """
    return fetch(model, DESCRIPTION, setting)


def fetch_model(model: str, setting: str) -> Path:
    """The same with its safetensors: those that its index names, as many hold a second form.

    Raises:
        ModelUnavailableError: as of ``fetch_description``.
    """
    folder = fetch_description(model, setting)
    return fetch(model, (*DESCRIPTION, *weights_of(folder)), setting)


@functools.lru_cache(maxsize=16)
def fetch(model: str, names: tuple[str, ...], setting: str) -> Path:
    """The folder of some of a model's files: of its newest version, if the hub can be asked.

    A process asks once: of a hub that does not answer it would wait for each caller again.

    Args:
        model: its hub id.
        names: files that it must have, and patterns of others.
        setting: as of ``fetch_description``.

    Raises:
        ModelUnavailableError: as of ``fetch_description``.
    """
    try:
        found = HfApi().model_info(model, timeout=ANSWER_S, files_metadata=True)
        sizes = {each.rfilename: each.size or 0 for each in found.siblings or ()}
        _require(model, names, sizes)
        new = [
            size
            for name, size in sizes.items()
            if name in names and not try_to_load_from_cache(model, name, revision=found.sha)
        ]
        if new:
            log.info("fetching_model", model=model, num_bytes=sum(new))
        # Bars are for a terminal, and for what takes long: the library draws one for each call.
        (enable_progress_bars if new and sys.stderr.isatty() else disable_progress_bars)()
        return Path(snapshot_download(model, allow_patterns=[*names]))
    except FAULTS as error:
        if folder := _find_cached(model, names):
            return folder
        raise ModelUnavailableError(_why(model, setting, error)) from error


def _require(model: str, names: tuple[str, ...], present: dict[str, int]) -> None:
    """Check that the hub has all that is named.

    Raises:
        ModelUnavailableError: it has not.
    """
    for name in names:
        if "*" not in name and name not in present:
            raise ModelUnavailableError(
                f"The model {model} has no file {name} at the hub, so Parley cannot use it: name "
                "another form of it."
            )


def _find_cached(model: str, names: tuple[str, ...]) -> Path | None:
    """The folder in the cache, if it has all that is named."""
    with contextlib.suppress(LocalEntryNotFoundError, HFValidationError):
        folder = Path(snapshot_download(model, allow_patterns=[*names], local_files_only=True))
        if all((folder / name).is_file() for name in names if "*" not in name):
            return folder
    return None


def _why(model: str, setting: str, error: Exception) -> str:
    """The sentence for what the hub's library raised."""
    otherwise = "or name a file or folder of this machine"
    absent = f"The model {model} is not on this machine, and"
    match error:
        case HFValidationError():
            return (
                f"{setting} names {model}, which is neither a file or folder of this machine nor a "
                "hub id (organisation/name)."
            )
        case OfflineModeIsEnabled():
            return f"{absent} HF_HUB_OFFLINE is 1: unset it to fetch the model, {otherwise}."
        case GatedRepoError():
            return (
                f"The model {model} is fetched by those alone who have accepted its terms: do so "
                f"at {constants.ENDPOINT}/{model}, and set HF_TOKEN."
            )
        case RepositoryNotFoundError():
            return (
                f"The hub has no model {model}, or does not show it to you: check the name in "
                f"{setting}; a private one needs HF_TOKEN."
            )
        case HfHubHTTPError():
            fault = f"answers with status {error.response.status_code}"
        case httpx2.HTTPError():
            fault = f"does not answer ({type(error).__name__})"
        case OSError() if error.errno and error.strerror:
            return (
                f"The model {model} cannot be fetched into {constants.HF_HUB_CACHE} "
                f"({os.strerror(error.errno)}): make room there, or set HF_HOME."
            )
        case _:
            fault = f"gives no answer that Parley understands ({type(error).__name__})"
    return f"{absent} the hub at {constants.ENDPOINT} {fault}: check the network, {otherwise}."
