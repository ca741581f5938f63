"""Documents, keys and names of tasks are those of the versions before.

A process of an older or a newer version is on the other side of them: see ``tests/kept_data.py``.
"""

import inspect
import json
from typing import Any

import pytest

from shared.jobs import Kind
from shared.ledger import codec, keys
from shared.ledger.celery import build_celery
from tests.kept_data import FOLDER, VERSIONS
from worker.celery_worker import add_tasks

DOCUMENTS = [
    pytest.param(line, id=f"{version}-{number}")
    for version in VERSIONS
    for number, line in enumerate((FOLDER / version / "documents.jsonl").read_text().splitlines())
]
"""One of each type and of each task, in which no field has its default; then some short ones."""
QUEUES = {"chat", "tag", "index"}
TASKS = {
    "parley.ask",
    "parley.chat",
    "parley.complete",
    "parley.learn",
    "parley.new",
    "parley.opt",
    "parley.report",
    "parley.summarize",
    "parley.tag",
    "parley.translate",
    "parley.write",
}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_a_kept_document_is_read_and_written_with_all_its_fields(document: str) -> None:
    then = json.loads(document)

    now = json.loads(codec.encode(codec.decode_any(document)))

    assert has_all(now, then), now


def has_all(now: Any, then: Any) -> bool:  # noqa: ANN401 - JSON
    """Whether everything that stood in a document stands there still, beside what is new."""
    if isinstance(then, dict):
        return all(name in now and has_all(now[name], value) for name, value in then.items())
    if isinstance(then, list):  # a set has no order
        return len(now) == len(then) and all(
            any(has_all(one, item) for one in now) for item in then
        )
    return bool(now == then)


@pytest.mark.parametrize("version", VERSIONS)
def test_keys_are_what_they_were(version: str) -> None:
    def names() -> set[str]:
        """Every key, with stars for what is put in."""
        public = [value for name, value in vars(keys).items() if not name.startswith("_")]
        made = [f for f in public if inspect.isfunction(f) and f.__module__ == keys.__name__]
        fixed = {value for value in public if isinstance(value, str)}
        return fixed | {f(*["*"] * len(inspect.signature(f).parameters)) for f in made}

    assert set((FOLDER / version / "keys.txt").read_text().splitlines()) <= names()


def test_tasks_and_queues_of_celery_are_what_they_were() -> None:
    def run(job_id: str) -> None:
        """Celery reads the names of its parameters."""

    app = build_celery("redis://127.0.0.1:1/0")
    add_tasks(app, run)

    assert set(app.tasks) >= TASKS
    assert {queue.name for queue in app.conf.task_queues} >= QUEUES
    assert {kind.queue for kind in Kind} == QUEUES
    app.close()
