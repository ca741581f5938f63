"""The Celery app of a worker: the shared broker settings, and our tasks by name.

Built by a function, so that importing this module does nothing.
"""

from collections.abc import Callable

import celery

from shared.jobs import CHAT_QUEUE, INDEX_QUEUE, TAG_QUEUE, Kind


def add_tasks(app: celery.Celery, run: Callable[[str], None]) -> None:
    """Let every kind of job run by its task's name; the argument is the job's id."""
    for kind in Kind:
        app.task(name=kind.task_name)(run)


def worker_arguments(concurrency: int) -> list[str]:
    """The command line of a Celery worker with so many threads.

    Remote control is off, so gossip, mingle and heartbeat would only fill Redis.
    """
    return [
        "--quiet",
        "worker",
        "--pool=threads",
        f"--concurrency={concurrency}",
        f"--queues={CHAT_QUEUE},{TAG_QUEUE},{INDEX_QUEUE}",
        "--loglevel=WARNING",
        "--without-gossip",
        "--without-mingle",
        "--without-heartbeat",
    ]
