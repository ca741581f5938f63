"""``parley ingest`` and ``parley knowledge``: add, list and remove documents."""

import contextlib
import dataclasses
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from shared.errors import NoKnowledgeError, SettingsError
from shared.ledger import documents as steps
from shared.ledger.documents import Amount, KnowledgeQuota
from shared.settings import Settings
from worker.engine.encoders.protocol import Embedding
from worker.knowledge.answers import is_link
from worker.knowledge.ingest import IngestOptions, Result, find_items
from worker.knowledge.ingest import ingest as ingest_item
from worker.knowledge.reader_pool import ReaderPool
from worker.knowledge.store import DocumentStore, Record
from worker.knowledge.visibility import ANY, FORM, DocumentPlace, parse_place
from worker.store import BlockingStore, open_store

FAILED = 1
NOT_FOR_ANY = (
    f"Say whom these documents are for: --for {FORM}. Whoever they are for may be answered from all"
    " of them."
)

knowledge = typer.Typer(no_args_is_help=True, help="Documents that questions are answered from.")


def ingest(
    context: typer.Context,
    paths: Annotated[list[Path], typer.Argument(help="Files, and folders with files in them.")],
    *,
    place: Annotated[
        str,
        typer.Option(
            "--for",
            help="Whom they are for: slack:TEAM[:CHANNEL], discord:SERVER[:CHANNEL] or everyone.",
        ),
    ] = "",
    link_base: Annotated[
        str, typer.Option(help="Address that a file's path is put behind, for citations.")
    ] = "",
) -> None:
    """Take documents into what questions are answered from; exit code 1 if a file was not read."""
    settings: Settings = context.obj
    if not place.strip():
        raise SettingsError(NOT_FOR_ANY)
    if link_base and not is_link(link_base):
        raise SettingsError(f"--link-base {link_base} is no address: it begins with https://.")
    order = IngestOptions(_place(place), link_base, settings.max_upload_mb)
    items = list(find_items(paths))
    if not items:
        raise SettingsError("There is nothing to read there: no file of a kind that I know.")
    library = DocumentStore(_store(settings).client, settings.knowledge_quota)
    _require(library)
    results: Counter[Result] = Counter()
    with contextlib.closing(ReaderPool()) as readers, _progress() as progress:
        task = progress.add_task("Reading", total=len(items))
        embedding = _embedding(settings)
        for item in items:
            progress.update(task, description=item.name[-40:])
            try:
                done = ingest_item(item, order, library, embedding, readers)
            except NoKnowledgeError as error:
                raise SettingsError(str(error)) from error
            results[done.result] += 1
            if done.result is Result.FAILED:
                progress.console.print(done.sentence, markup=False, highlight=False)
            progress.advance(task)
    summary = ", ".join(f"{results[result]:,} {result}" for result in Result if results[result])
    sys.stdout.write(f"{summary}\n")
    if results[Result.FAILED]:
        raise typer.Exit(FAILED)


@knowledge.command("list")
def list_documents(context: typer.Context) -> None:
    """List the documents: id, whom it is for, passages, name, title.

    What places hold of what they may follows on standard error.
    """
    settings: Settings = context.obj
    library = DocumentStore(_store(settings).client)
    for record in sorted(library.records().values(), key=lambda one: (str(one.place), one.name)):
        sys.stdout.write(f"{_line(record)}\n")
    sys.stdout.flush()
    for line in usage_lines(library.used(), settings.knowledge_quota):
        sys.stderr.write(f"{line}\n")


@knowledge.command()
def remove(
    context: typer.Context,
    documents: Annotated[
        list[str] | None, typer.Argument(help="Ids or names, as `list` shows them.")
    ] = None,
    *,
    everything: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
    place: Annotated[
        str | None, typer.Option("--for", help="Those for this place, or for everyone, alone.")
    ] = None,
) -> None:
    """Remove documents with all their passages; exit code 1 if one is not there."""
    wanted = set(documents or ())
    only = None if place is None else _place(place)
    if not wanted and not everything and only is None:
        raise SettingsError("Name documents as `parley knowledge list` shows them, or say --all.")
    store = _store(context.obj)
    records = DocumentStore(store.client).records()
    chosen = [
        name
        for name, record in records.items()
        if (only is None or record.place == only)
        and (not wanted or name in wanted or record.name in wanted)
    ]
    known = {name for name, record in records.items()} | {r.name for r in records.values()}
    num_removed = store.run(steps.drop(chosen)) if chosen else 0
    DocumentStore(store.client).tidy()
    sys.stdout.write(f"{num_removed:,} removed\n")
    missing = sorted(wanted - known)
    for name in missing:
        sys.stderr.write(f"parley: There is no document {name}: see `parley knowledge list`.\n")
    if missing:
        raise typer.Exit(FAILED)


def usage_lines(used: Mapping[DocumentPlace, Amount], quota: KnowledgeQuota) -> Iterator[str]:
    """What channels and workspaces hold of what they may, a line each."""
    workspaces: dict[DocumentPlace, Amount] = {}
    for place, amount in used.items():
        workspace = dataclasses.replace(place, channel=ANY)
        workspaces[workspace] = workspaces.get(workspace, Amount()) + amount
        if place.channel != ANY:
            yield f"{place} holds {amount.of(quota.channel)}"
    for place, amount in workspaces.items():
        yield f"{place} holds {amount.of(quota.workspace)}"


def _line(record: Record) -> str:
    fields = (record.id, str(record.place), f"{len(record.passages):,}", record.name, record.title)
    return "\t".join(fields)


def _place(text: str) -> DocumentPlace:
    try:
        return parse_place(text)
    except ValueError as error:
        raise SettingsError(f"--for {error}") from error


def _store(settings: Settings) -> BlockingStore:
    if settings.redis_url is None:
        raise SettingsError(
            "PARLEY_REDIS_URL is not set: name the Redis that Parley uses, or use `parley ingest` "
            "and `parley knowledge`, which find the embedded one."
        )
    url = settings.redis_url.get_secret_value()
    return open_store(url, allow_volatile=settings.allow_volatile_redis)


def _require(library: DocumentStore) -> None:
    try:
        library.require_vectors()
    except NoKnowledgeError as error:
        raise SettingsError(str(error)) from error


def _embedding(settings: Settings) -> Embedding:
    from worker.engine.encoders.embedder import load_embedder  # noqa: PLC0415 - seconds of import

    return load_embedder(settings.embedding_model, settings.device, settings.cache_dir)


def _progress() -> Progress:
    """Print to standard error, so that programs can parse standard output."""
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn())
    return Progress(*columns, console=Console(stderr=True))
