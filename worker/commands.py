"""The worker's commands: documents, evaluations, benches, training.

``parley ingest``, ``parley eval`` and the like run here; each command loads what it needs itself.
"""

import dataclasses
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from shared.errors import SettingsError
from shared.settings import Settings
from worker.knowledge import commands as knowledge_commands

evaluations = typer.Typer(no_args_is_help=True, help="Measure a task against honest baselines.")
benches = typer.Typer(no_args_is_help=True, help="Measure how fast a worker's parts are.")
models = typer.Typer(no_args_is_help=True, help="Look at models without starting them.")
trainings = typer.Typer(no_args_is_help=True, help="Train a model of Parley's own.")

AsJson = Annotated[bool, typer.Option("--json", help="One object, for programs.")]


@evaluations.command("qa")
def evaluate_qa(
    context: typer.Context,
    *,
    docs: Annotated[Path | None, typer.Option(help="Folder with your own documents.")] = None,
    questions: Annotated[
        Path | None,
        typer.Option(help="Your own: question, a tab, the file's name without its ending."),
    ] = None,
    calibration: Annotated[
        bool, typer.Option("--calibrate", help="What the thresholds should be, by other questions.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Hit@1, hit@3 and MRR beside BM25 and embeddings alone; what is refused."""
    from worker.engine.encoders.embedder import load_embedder  # noqa: PLC0415 - seconds of import
    from worker.evaluation import qa, qa_set  # noqa: PLC0415 - the same
    from worker.evaluation.report import show  # noqa: PLC0415 - the same

    settings: Settings = context.obj
    if (docs is None) != (questions is None):
        raise SettingsError("--docs and --questions go together: a folder, and what to ask of it.")
    embedding = load_embedder(settings.embedding_model, settings.device, settings.cache_dir)
    if calibration:
        chosen = qa_set.shipped_set(qa_set.TUNING)
        sys.stdout.write("\n".join(qa.calibrate(chosen, embedding)) + "\n")
        return
    if docs is not None and questions is not None:
        chosen = qa_set.own_set(docs, questions)
    else:
        chosen = qa_set.shipped_set(qa_set.REPORT)
    show(qa.evaluate_qa(chosen, embedding), sys.stdout, as_json=as_json)


@evaluations.command("families")
def evaluate_families(
    context: typer.Context,
    *,
    only: Annotated[
        list[str] | None, typer.Option(help="A family's name, or part of it; all if none.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Which model families run, and whether they write what they write alone."""
    from worker.evaluation.families import evaluate_families  # noqa: PLC0415 - seconds of import
    from worker.evaluation.report import show  # noqa: PLC0415 - the same

    settings: Settings = context.obj
    show(evaluate_families(settings.device, tuple(only or ())), sys.stdout, as_json=as_json)


@evaluations.command("sentiment")
def evaluate_sentiment(
    context: typer.Context,
    *,
    texts: Annotated[
        Path | None,
        typer.Option(help="Your own texts: positive, neutral or negative, a tab, the text."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Macro-F1 against VADER and a plain head on MiniLM; messages a second."""
    from worker.evaluation import sentiment  # noqa: PLC0415 - the same
    from worker.evaluation.report import show  # noqa: PLC0415 - the same
    from worker.sentiment.classifier import ClassifierChoice  # noqa: PLC0415 - seconds of import

    settings: Settings = context.obj
    choice = ClassifierChoice(settings.cache_dir, settings.sentiment_model, settings.device)
    chosen = sentiment.own_texts(texts) if texts else sentiment.held_out_texts()
    show(sentiment.evaluate_sentiment(choice, chosen), sys.stdout, as_json=as_json)


@benches.command("engine")
def bench_engine(
    context: typer.Context,
    *,
    at_once: Annotated[
        list[int] | None, typer.Option(min=1, help="Requests at once; may be given again.")
    ] = None,
    new_tokens: Annotated[int, typer.Option(min=2, help="Of each answer.")] = 48,
    repeats: Annotated[int, typer.Option(min=1, help="The median counts.")] = 3,
    as_json: AsJson = False,
) -> None:
    """Tokens a second of each engine, beside generate() one at a time."""
    from worker.benches import engine  # noqa: PLC0415 - seconds of import
    from worker.evaluation.report import show  # noqa: PLC0415 - the same

    settings: Settings = context.obj
    counts = at_once or [1, 8, 32]
    found = engine.bench_engine(settings, counts=counts, num_new=new_tokens, repeats=repeats)
    show(found, sys.stdout, as_json=as_json)


@benches.command("retrieval")
def bench_retrieval(
    context: typer.Context,
    *,
    passages: Annotated[
        list[int] | None, typer.Option(min=1, help="How many there are; may be given again.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """How long a question takes to find its passages, by how many there are."""
    from worker.benches import retrieval  # noqa: PLC0415 - seconds of import
    from worker.engine.encoders.embedder import load_embedder  # noqa: PLC0415 - the same
    from worker.evaluation.report import show  # noqa: PLC0415 - the same

    settings: Settings = context.obj
    embedding = load_embedder(settings.embedding_model, settings.device, settings.cache_dir)
    sizes = sorted(passages or [1_000, 10_000])
    show(retrieval.bench_retrieval(embedding, sizes), sys.stdout, as_json=as_json)


@benches.command("sentiment")
def bench_sentiment(context: typer.Context, *, as_json: AsJson = False) -> None:
    """Messages a second that are rated together and one at a time."""
    from worker.benches import sentiment  # noqa: PLC0415 - seconds of import
    from worker.evaluation.report import show  # noqa: PLC0415 - the same
    from worker.sentiment.classifier import ClassifierChoice  # noqa: PLC0415 - the same

    settings: Settings = context.obj
    choice = ClassifierChoice(settings.cache_dir, settings.sentiment_model, settings.device)
    show(sentiment.bench_sentiment(choice), sys.stdout, as_json=as_json)


@benches.command("serve", hidden=True)
def bench_serve(
    context: typer.Context,
    measured: Annotated[Path, typer.Argument(help="What `python -m bots load` has written.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Compare what was measured of the whole way, for `parley bench serve`."""
    from worker.benches import serve  # noqa: PLC0415 - seconds of import
    from worker.evaluation.report import show  # noqa: PLC0415 - the same

    show(serve.bench_serve(context.obj, measured), sys.stdout, as_json=as_json)


@benches.command("load", hidden=True)
def bench_load(
    context: typer.Context,
    measured: Annotated[list[Path], typer.Argument(help="What `python -m bots load` has written.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Figures of what was measured of the whole way, for `parley bench load`."""
    from worker.benches import load  # noqa: PLC0415 - seconds of import
    from worker.evaluation.report import show  # noqa: PLC0415 - the same

    show(load.bench_load(context.obj, measured), sys.stdout, as_json=as_json)


@benches.command("plot")
def bench_plot(
    measured: Annotated[
        Path, typer.Argument(help="What `bench load` or `bench ingest` said with --json.")
    ],
    picture: Annotated[Path, typer.Argument(help="The PNG to write.")],
) -> None:
    """Draw what `bench load --json` or `bench ingest --json` has measured."""
    from worker.benches.plots import plot  # noqa: PLC0415 - a second of import

    plot(measured, picture)


@evaluations.command("translation")
def evaluate_translation(
    context: typer.Context,
    pairs: Annotated[
        Path | None,
        typer.Argument(help="Your own sentences: a text, a tab, its translation by a person."),
    ] = None,
    *,
    to: Annotated[str | None, typer.Option(help="The language of the translations.")] = None,
    as_json: AsJson = False,
) -> None:
    """Print chrF against translations by people, beside the untranslated source."""
    from worker.evaluation import translation  # noqa: PLC0415 - seconds of import
    from worker.evaluation.report import show  # noqa: PLC0415 - the same
    from worker.evaluation.translation import translating  # noqa: PLC0415 - the same

    examples = translation.read_examples(pairs, to)
    with translating(context.obj) as (name, translate):
        evaluation = translation.evaluate_translation(examples, name, translate)
    show(evaluation, sys.stdout, as_json=as_json)


@evaluations.command("models")
def evaluate_models(
    context: typer.Context,
    models: Annotated[list[str], typer.Argument(help="Folders or hub ids, or the word default.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Run every task's evaluation and a bench on each model; recommend one by stated rules."""
    from worker.console import say  # noqa: PLC0415 - the same
    from worker.engine.description.model import describe  # noqa: PLC0415 - the same
    from worker.engine.encoders.embedder import load_embedder  # noqa: PLC0415 - the same
    from worker.evaluation import models as choosing  # noqa: PLC0415 - the same
    from worker.evaluation import qa, qa_set, sentiment  # noqa: PLC0415 - the same
    from worker.evaluation.report import show  # noqa: PLC0415 - the same
    from worker.sentiment.classifier import ClassifierChoice  # noqa: PLC0415 - seconds of import

    settings: Settings = context.obj
    for model in dict.fromkeys(models):  # a wrong name must not be found after minutes
        describe(settings.model_copy(update={"model": model}), say)
    measured = choosing.measure_models(models, say)
    say("Retrieval and sentiment, which are the same for every chat model")
    embedding = load_embedder(settings.embedding_model, settings.device, settings.cache_dir)
    choice = ClassifierChoice(settings.cache_dir, settings.sentiment_model, settings.device)
    alike = (
        qa.evaluate_qa(qa_set.shipped_set(qa_set.REPORT), embedding),
        sentiment.evaluate_sentiment(choice, sentiment.held_out_texts()),
    )
    show(choosing.compare(measured, alike), sys.stdout, as_json=as_json)
    if measured.failed:
        raise typer.Exit(1)


@evaluations.command("model", hidden=True)
def evaluate_model(
    context: typer.Context,
    model: Annotated[str, typer.Argument(help="A folder or hub id, or the word default.")],
) -> None:
    """Measure one model, for `models`: one JSON object."""
    from worker.console import say  # noqa: PLC0415 - as below
    from worker.evaluation.models import measure_model  # noqa: PLC0415 - seconds of import

    candidate = measure_model(model, context.obj, say)
    sys.stdout.write(json.dumps(dataclasses.asdict(candidate)) + "\n")


@trainings.command("sentiment")
def train_sentiment(
    *,
    data: Annotated[
        Path | None,
        typer.Option(help="vaderSentiment-3.3.2.tar.gz from PyPI; absent: pip downloads it."),
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed trains the same model.")] = 1,
    epochs: Annotated[int, typer.Option(min=1, help="Times that every text is seen.")] = 5,
    out: Annotated[
        Path, typer.Option(help="Folder for weights and report; PARLEY_SENTIMENT_MODEL takes it.")
    ] = Path("sentiment-model"),
) -> None:
    """Train the sentiment model from texts that people rated (some minutes)."""
    from worker.console import say  # noqa: PLC0415 - the same
    from worker.engine.encoders.lora_training import Recipe  # noqa: PLC0415 - seconds of import
    from worker.sentiment import corpus, training  # noqa: PLC0415 - the same

    with tempfile.TemporaryDirectory() as folder:
        archive = data or training.download(Path(folder))
        samples = corpus.read_archive(archive)
        order = training.TrainingOptions(
            samples, training.sha256_of(archive), Recipe(epochs, seed=seed), out
        )
        for line in training.lines_of(training.train_sentiment(order, say)):
            sys.stdout.write(f"{line}\n")


@models.command("show")
def show_model(
    context: typer.Context,
    model: Annotated[
        str | None, typer.Argument(help="As PARLEY_MODEL, which holds if it is absent.")
    ] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Print what is in force for a model, and which setting, file or server it is from."""
    from worker.console import say  # noqa: PLC0415 - as below
    from worker.engine.description.model import describe  # noqa: PLC0415 - a second of import
    from worker.evaluation import model_facts  # noqa: PLC0415 - the same

    settings: Settings = context.obj
    if model is not None:
        settings = settings.model_copy(update={"model": model})
    facts = model_facts.facts_of(settings, describe(settings, say))
    if model is not None:
        facts = (dataclasses.replace(facts[0], source="the command"), *facts[1:])
    model_facts.show_facts(facts, sys.stdout, as_json=as_json)


def make_app() -> typer.Typer:
    """The command line with all commands."""
    app = typer.Typer(
        name="parley", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
    )
    app.command("ingest")(knowledge_commands.ingest)
    app.add_typer(knowledge_commands.knowledge, name="knowledge")
    app.add_typer(models, name="model")
    app.add_typer(evaluations, name="eval")
    app.add_typer(trainings, name="train")
    app.add_typer(benches, name="bench")
    return app


def run(settings: Settings, arguments: Sequence[str]) -> int:
    """Run one command; return the exit code.

    Raises:
        StartupError: it cannot be run; the sentence says why.
    """
    command = typer.main.get_command(make_app())
    try:
        command.main(list(arguments), prog_name="parley", obj=settings)
    except SystemExit as end:  # typer exits so after help, a usage error and success alike
        return end.code if isinstance(end.code, int) else 1
    return 0
