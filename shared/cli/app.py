"""``parley``: the command line."""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from typing import Annotated

import typer

from shared.cli import backup as backups
from shared.cli import doctor, sessions
from shared.cli.access import (
    access_entries,
    access_json,
    access_lines,
    names_of,
    put_on_list,
)
from shared.cli.benches import (
    ScalingOrder,
    ServingOrder,
    bench_ingesting,
    bench_load,
    bench_scaling,
    bench_serving,
    bench_startup,
)
from shared.cli.operator import (
    ALL,
    audit_json,
    audit_line,
    export,
    has_answerer,
    letter_line,
    open_operator_connection,
    person_of,
    preference_lines,
    status_json,
    status_lines,
    workspace_of,
)
from shared.cli.processes import python_module, run_in_terminal
from shared.cli.sessions import redis_beside, with_redis_that_runs
from shared.errors import StartupError
from shared.ledger import preferences
from shared.ledger import status as operating
from shared.logs import configure_logs
from shared.settings import Settings, read_settings

INTERRUPTED = 130
SHOWN_EVERY = 1_000
"""Keys between two signs of progress."""
NEED_REDIS = frozenset({"ingest", "knowledge"})

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


HANDED_ON = {
    "allow_extra_args": True,
    "ignore_unknown_options": True,
    "help_option_names": [],
}
"""Context settings of a command that another process implements: it parses options and help."""


@app.command(context_settings=HANDED_ON, add_help_option=False)
def ingest(context: typer.Context) -> None:
    """Take documents into what questions are answered from."""
    _hand_on("ingest", context)


@app.command(context_settings=HANDED_ON, add_help_option=False)
def knowledge(context: typer.Context) -> None:
    """List and remove what was taken in."""
    _hand_on("knowledge", context)


@app.command(name="eval", context_settings=HANDED_ON, add_help_option=False)
def evaluate(context: typer.Context) -> None:
    """Measure answers, sentiment, translation and models against honest baselines."""
    _hand_on("eval", context)


@app.command(context_settings=HANDED_ON, add_help_option=False)
def model(context: typer.Context) -> None:
    """Show what is in force for a model, and from where."""
    _hand_on("model", context)


@app.command(context_settings=HANDED_ON, add_help_option=False)
def train(context: typer.Context) -> None:
    """Train the sentiment model."""
    _hand_on("train", context)


@app.command(name="explain-policy", context_settings=HANDED_ON, add_help_option=False)
def explain_policy(context: typer.Context) -> None:
    """Say whether a message would be answered, and why."""
    command = python_module("bots", "explain", *context.args)
    raise typer.Exit(run_in_terminal(command, with_redis_that_runs(_settings())))


@app.command()
def audit(
    *,
    most: Annotated[int, typer.Option(min=1, help="The latest so many.")] = 100,
    as_json: Annotated[bool, typer.Option("--json", help="For programs, a line each.")] = False,
) -> None:
    """Who changed which setting in the chat, the latest last."""
    with open_operator_connection(_settings()) as operator:
        entries = operator.run(preferences.audit(most))
        for entry in reversed(entries):
            _print(audit_json(entry) if as_json else audit_line(entry))


Names = Annotated[
    list[str],
    typer.Argument(help="such as slack:T01, slack:T01/C01, slack:*/guests, discord:1/role:2"),
]


@app.command()
def allow(names: Names) -> None:
    """Let workspaces, channels, people or groups ask, at once; see docs/access.md."""
    _put_on_list(names, preferences.ALLOWED)


@app.command()
def deny(names: Names) -> None:
    """Let them not ask, at once; this goes before everything that is allowed."""
    _put_on_list(names, preferences.DENIED)


def _put_on_list(names: list[str], which: str) -> None:
    read = names_of(names)
    with open_operator_connection(_settings()) as operator:
        for name in read:
            _print(put_on_list(operator, name, which))


@app.command(name="export-user")
def export_user(
    person: Annotated[str, typer.Argument(help="PLATFORM:TEAM:USER, such as slack:T01:U01")],
) -> None:
    """All that is kept of a person, as JSON."""
    with open_operator_connection(_settings()) as operator:
        _print(export(operator, person_of(person)))


@app.command(name="forget-workspace")
def forget_workspace(
    workspace: Annotated[str, typer.Argument(help="slack:TEAM or discord:SERVER")],
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete all that is kept of a Slack workspace or a Discord server, at once."""
    tenant = workspace_of(workspace)
    with open_operator_connection(_settings()) as operator:
        if not yes:
            typer.confirm(f"Delete all that is kept of {tenant}? It cannot be undone.", abort=True)
        _print(operator.forget_workspace(tenant))


@app.command()
def backup(
    file: Annotated[str, typer.Argument(help="the file, or - for standard output")],
) -> None:
    """Write what is kept to a file: questions, conversations, settings, documents."""
    with backups.redis_for(_settings()) as client, _progress("Saved") as progress:
        summary = backups.write_backup(client, file, progress)
    sys.stderr.write(f"{summary} are in {file}.\n")


@app.command()
def restore(
    file: Annotated[str, typer.Argument(help="a file of `parley backup`")],
    *,
    replace: Annotated[
        bool, typer.Option("--replace", help="Delete what Parley keeps in that Redis.")
    ] = False,
) -> None:
    """Put the content of a backup into an empty Redis, with bots and workers stopped."""
    summary = backups.read_backup(file)
    with backups.redis_for(_settings()) as client:
        backups.require_restorable(client, summary, replaces=replace)
        with _progress("Restored", summary.num_keys) as progress:
            restored = backups.restore_backup(client, file, progress)
    _print(str(restored))


@contextlib.contextmanager
def _progress(what: str, num_keys: int | None = None) -> Iterator[Callable[[int], None]]:
    """Show how many keys are done, on a terminal alone."""
    num_done, is_shown = 0, sys.stderr.isatty()

    def advance(num_more: int) -> None:
        nonlocal num_done
        before, num_done = num_done, num_done + num_more
        if is_shown and before // SHOWN_EVERY != num_done // SHOWN_EVERY:
            of_all = f" of {num_keys:,}" if num_keys else ""
            sys.stderr.write(f"\r{what} {num_done:,}{of_all} keys")
            sys.stderr.flush()

    yield advance
    if is_shown and num_done >= SHOWN_EVERY:
        sys.stderr.write("\n")


@app.command(name="settings")
def settings_command() -> None:
    """What workspaces and channels prefer, a line each."""
    with open_operator_connection(_settings()) as operator:
        for line in preference_lines(operator):
            _print(line)


@app.command(name="doctor")
def doctor_command() -> None:
    """Check everything that Parley needs; one line a check, exit code 1 if one fails."""
    raise typer.Exit(doctor.report(_settings()))


@app.command()
def health(part: Annotated[str, typer.Argument(help="worker or bots")]) -> None:
    """Whether a running worker or bots process is well; for health checks of containers."""
    raise typer.Exit(doctor.health(_settings(), part))


@app.command()
def status(
    *, as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False
) -> None:
    """Workers, queue and dead letters; exit code 1 if no worker is ready."""
    with open_operator_connection(_settings()) as operator:
        found = operator.run(operating.status())
    _print(status_json(found) if as_json else "\n".join(status_lines(found)))
    raise typer.Exit(0 if has_answerer(found) else 1)


def _group(name: str, explanation: str) -> typer.Typer:
    """A group of subcommands."""
    group = typer.Typer(no_args_is_help=True, help=explanation)
    app.add_typer(group, name=name)
    return group


bench = _group("bench", "Measure how fast Parley's own work is.")


@bench.command(context_settings=HANDED_ON, add_help_option=False)
def render(context: typer.Context) -> None:
    """Megabytes of Markdown a second, for each platform and for the worst texts."""
    _hand_on("bench", context, "render", to="bots")


@bench.command(context_settings=HANDED_ON, add_help_option=False)
def engine(context: typer.Context) -> None:
    """Tokens a second of each engine, beside generate() one at a time."""
    _hand_on("bench", context, "engine")


@bench.command(context_settings=HANDED_ON, add_help_option=False)
def retrieval(context: typer.Context) -> None:
    """How long a question takes to find its passages, by how many there are."""
    _hand_on("bench", context, "retrieval")


@bench.command("sentiment", context_settings=HANDED_ON, add_help_option=False)
def bench_sentiment(context: typer.Context) -> None:
    """Messages a second that are rated together and one at a time."""
    _hand_on("bench", context, "sentiment")


@bench.command()
def startup(
    *,
    repeats: Annotated[int, typer.Option(min=1, help="The median counts.")] = 3,
    as_json: Annotated[bool, typer.Option("--json", help="One object, for programs.")] = False,
) -> None:
    """How long it takes until a command, Redis, a worker or a chat is there."""
    raise typer.Exit(bench_startup(repeats, as_json=as_json))


@bench.command()
def serve(
    *,
    concurrency: Annotated[int, typer.Option(min=1, help="Conversations at once.")] = 32,
    new_tokens: Annotated[int, typer.Option(min=2, help="The most of an answer.")] = 48,
    repeats: Annotated[int, typer.Option(min=1, help="The median counts.")] = 3,
    as_json: Annotated[bool, typer.Option("--json", help="One object, for programs.")] = False,
) -> None:
    """Conversations through queue, worker and delivery, beside the bare engine (some minutes)."""
    order = ServingOrder((concurrency,), new_tokens, repeats, as_json)
    raise typer.Exit(bench_serving(_settings(), order))


@bench.command()
def load(
    *,
    conversations: Annotated[
        list[int] | None, typer.Option(min=1, help="At once; may be given again.")
    ] = None,
    new_tokens: Annotated[int, typer.Option(min=2, help="The most of an answer.")] = 48,
    repeats: Annotated[int, typer.Option(min=1, help="The median counts.")] = 3,
    as_json: Annotated[bool, typer.Option("--json", help="One object, for programs.")] = False,
) -> None:
    """Tokens a second and waiting times by how many conversations there are at once."""
    counts = tuple(conversations or [1, 2, 4, 8, 16, 32, 64])
    raise typer.Exit(bench_load(_settings(), ServingOrder(counts, new_tokens, repeats, as_json)))


@bench.command(context_settings=HANDED_ON, add_help_option=False)
def plot(context: typer.Context) -> None:
    """Draw what `bench load --json` or `bench ingest --json` has measured."""
    _hand_on("bench", context, "plot")


@bench.command("ingest")
def ingest_events(
    *,
    messages: Annotated[int, typer.Option(min=100, help="That wait in the end.")] = 10_000,
    per_s: Annotated[int, typer.Option(min=1, help="Pace of the first half.")] = 300,
    as_json: Annotated[bool, typer.Option("--json", help="One object, for programs.")] = False,
) -> None:
    """Questions taken while nobody answers: how fast, and what they cost in memory."""
    raise typer.Exit(bench_ingesting(messages, per_s, as_json=as_json))


@bench.command()
def scale(
    *,
    workers: Annotated[
        list[int] | None, typer.Option(min=1, help="Worker processes; may be given again.")
    ] = None,
    slots: Annotated[int, typer.Option(min=1, help="Answers at once of each worker.")] = 16,
    tokens_per_s: Annotated[float, typer.Option(min=1, help="Of each answer.")] = 20,
    repeats: Annotated[int, typer.Option(min=1, help="Rounds that are measured.")] = 3,
    as_json: Annotated[bool, typer.Option("--json", help="One object, for programs.")] = False,
) -> None:
    """Workers that write at a fixed rate and compute nothing: how all the rest keeps up."""
    counts = tuple(workers or [1, 2, 4])
    order = ScalingOrder(counts, slots, tokens_per_s, repeats, as_json)
    raise typer.Exit(bench_scaling(order))


access = _group("access", "Who may ask: what `parley allow` and `parley deny` have stored.")


@access.command(name="list")
def list_access(
    *, as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False
) -> None:
    """List who is allowed and denied, by whom; nothing: everybody may ask."""
    settings = _settings()
    with open_operator_connection(settings) as operator:
        entries = list(access_entries(operator, settings.access.lists))
    for line in [access_json(entries)] if as_json else access_lines(entries):
        _print(line)


@access.command()
def remove(names: Names) -> None:
    """Take names off both lists, at once."""
    _put_on_list(names, "")


dead = _group("dead", "Questions that were given up after PARLEY_MAX_ATTEMPTS runs.")
Refs = Annotated[list[str], typer.Argument(help="references, or the word all")]


@dead.command(name="list")
def list_dead(
    *, text: Annotated[bool, typer.Option("--text", help="Show what people wrote.")] = False
) -> None:
    """List them, the oldest first."""
    with open_operator_connection(_settings()) as operator:
        for letter in operator.find_letters([ALL]):
            _print(letter_line(letter, with_text=text))


@dead.command()
def requeue(refs: Refs) -> None:
    """Try them again; the answer goes into the message that holds the sentence now."""
    settings = _settings()
    with open_operator_connection(settings) as operator:
        for letter in operator.find_letters(refs):
            _print(operator.requeue(letter, settings.deadline_ms))


@dead.command()
def drop(refs: Refs) -> None:
    """Forget them."""
    with open_operator_connection(_settings()) as operator:
        for letter in operator.find_letters(refs):
            _print(operator.drop(letter))


def _print(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def _settings() -> Settings:
    return read_settings(os.environ)


def _run(settings: Settings, *, with_bots: bool, with_terminal: bool) -> None:
    configure_logs("ERROR" if with_terminal else settings.log_level, sys.stderr)
    try:
        code = sessions.run(settings, with_bots=with_bots, with_terminal=with_terminal)
    except KeyboardInterrupt:
        code = INTERRUPTED
    raise typer.Exit(code)


def _hand_on(command: str, context: typer.Context, *words: str, to: str = "worker") -> None:
    """Run a command of another process, with the Redis that Parley runs on."""
    settings = _settings()
    arguments = [command, *words, *context.args]
    with redis_beside(settings, is_needed=command in NEED_REDIS) as env:
        raise typer.Exit(run_in_terminal(python_module(to, *arguments), env))


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
