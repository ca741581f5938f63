"""The worker's commands: documents in and out, evaluations, training.

``parley ingest``, ``parley eval`` and the like end here; each command loads what it needs by
itself.
"""

from collections.abc import Sequence

import typer

from shared.settings import Settings

app = typer.Typer(
    name="parley", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
)


def run(settings: Settings, arguments: Sequence[str]) -> int:
    """Run one command; returns the exit code.

    Raises:
        StartupError: it cannot be run; the sentence says why.
    """
    command = typer.main.get_command(app)
    with command.make_context("parley", list(arguments), obj=settings) as context:
        code = command.invoke(context)
    return int(code or 0)
