"""``parley``: the command line."""

import os
import sys
from typing import Annotated

import typer

from shared.errors import StartupError
from shared.launcher import doctor, sessions
from shared.launcher.processes import python_module
from shared.logs import configure_logs
from shared.settings import Settings, read_settings

INTERRUPTED = 130

app = typer.Typer(
    name="parley",
    help="A language model that you run yourself, in your Slack channels and Discord servers.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.command()
def up(
    *,
    terminal: Annotated[
        bool, typer.Option("--terminal", help="Chat in the terminal beside the platforms.")
    ] = False,
) -> None:
    """Run everything: Redis if none is named, a worker, and the bots whose tokens are set."""
    settings = _settings()
    has_bots = settings.runs_slack or settings.runs_discord
    _run(settings, with_bots=has_bots, with_terminal=terminal or not has_bots)


@app.command()
def chat() -> None:
    """Chat in the terminal, through the real queue, worker and model."""
    _run(_settings(), with_bots=False, with_terminal=True)


@app.command()
def worker() -> None:
    """Run one worker: the model, taking jobs from PARLEY_REDIS_URL."""
    _become("worker")


@app.command()
def bots() -> None:
    """Run the Slack and Discord adapters whose tokens are set."""
    _become("bots")


@app.command(name="doctor")
def doctor_command() -> None:
    """Check everything that Parley needs; one line a check, exit code 1 if one fails."""
    raise typer.Exit(doctor.report(_settings()))


@app.command()
def health(part: Annotated[str, typer.Argument(help="worker or bots")]) -> None:
    """Whether a running worker or bots process is well; for health checks of containers."""
    raise typer.Exit(doctor.health(_settings(), part))


def _settings() -> Settings:
    return read_settings(os.environ)


def _run(settings: Settings, *, with_bots: bool, with_terminal: bool) -> None:
    configure_logs("ERROR" if with_terminal else settings.log_level, sys.stderr)
    try:
        code = sessions.run(settings, with_bots=with_bots, with_terminal=with_terminal)
    except KeyboardInterrupt:
        code = INTERRUPTED
    raise typer.Exit(code)


def _become(module: str) -> None:
    command = python_module(module)
    os.execv(command[0], command)  # noqa: S606 - our own module, in this Python


def main() -> None:
    """Run a command; a start-up fault ends in one sentence and its own exit code."""
    try:
        app()
    except StartupError as error:
        if str(error):
            sys.stderr.write(f"parley: {error}\n")
        sys.exit(error.exit_code)
