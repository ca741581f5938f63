"""The worker's checks for ``parley doctor``: the model and where it would run."""

from shared.checks import Check, print_checks
from shared.errors import ParleyError
from shared.settings import Settings
from worker.engine.conversion import DEFAULT_MODEL, MANIFEST, WEIGHTS, folder_of, is_whole

MB = 1_000_000
MILLION = 1_000_000


def report(settings: Settings) -> int:
    """Print one line a check; the exit code is 1 if one failed."""
    return print_checks([_check_model(settings), _check_device(settings)])


def _silent(_sentence: str) -> None:
    """Progress is nobody's business here."""


def _check_model(settings: Settings) -> Check:
    if settings.model == "default":
        folder = folder_of(DEFAULT_MODEL, settings.cache_dir)
        if not (folder / MANIFEST).exists():
            return Check.warn(
                "model", f"{DEFAULT_MODEL.name} is not converted yet; the first start does that"
            )
        if not is_whole(folder):
            return Check.fail("model", f"{folder} is damaged: delete it, it will be made anew")
        size_mb = (folder / WEIGHTS).stat().st_size / MB
        return Check.ok("model", f"{DEFAULT_MODEL.name}, {size_mb:,.0f} MB of weights")
    from worker.engine.models import ModelChoice, load_model  # noqa: PLC0415 - seconds of import

    choice = ModelChoice(settings.model, settings.device, settings.dtype, settings.cache_dir)
    try:
        loaded = load_model(choice, _silent)
    except ParleyError as error:
        return Check.fail("model", str(error))
    return Check.ok("model", f"{loaded.name}, {loaded.num_parameters / MILLION:,.0f} M parameters")


def _check_device(settings: Settings) -> Check:
    from worker.engine.devices import pick_device, pick_dtype  # noqa: PLC0415

    try:
        device = pick_device(settings.device)
    except ParleyError as error:
        return Check.fail("device", str(error))
    dtype = str(pick_dtype(settings.dtype, device)).removeprefix("torch.")
    return Check.ok("device", f"{device.type}, {dtype}")
