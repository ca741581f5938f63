"""The Celery app of a worker: the shared broker settings, and our tasks by name.

Built by a function, so that importing this module does nothing.
"""

from collections.abc import Callable, Collection, Sequence

import celery

from shared.jobs import CHAT_QUEUE, INDEX_QUEUE, TAG_QUEUE, Kind, chat_queue
from shared.preferences import MODEL_NAME


def add_tasks(app: celery.Celery, run: Callable[[str], None]) -> None:
    """Let every kind of job run by its task's name; the argument is the job's id."""
    for kind in Kind:
        app.task(name=kind.task_name)(run)


def queues_of(model: str, chosen: Collection[str]) -> list[str]:
    """What a worker takes from: what its model is wanted for before what any may write.

    Args:
        model: the name of the worker's.
        chosen: ``PARLEY_QUEUES``.
    """
    is_wanted = CHAT_QUEUE in chosen and MODEL_NAME.fullmatch(model)
    wanted = [chat_queue(model)] if is_wanted else []
    return [*wanted, *(queue for queue in (CHAT_QUEUE, TAG_QUEUE, INDEX_QUEUE) if queue in chosen)]


def worker_arguments(concurrency: int, queues: Sequence[str]) -> list[str]:
    """The command line of a Celery worker with so many threads that takes from these queues.

    Remote control is off, so gossip, mingle and heartbeat would only fill Redis.
    """
    return [
        "--quiet",
        "worker",
        "--pool=threads",
        f"--concurrency={concurrency}",
        f"--queues={','.join(queues)}",
        "--loglevel=WARNING",
        "--without-gossip",
        "--without-mingle",
        "--without-heartbeat",
    ]
