"""A Celery worker on Parley's queue without a model or a task: ``python -m tests.chaos.bare_worker
[dies_after_pop]``. To it every task is one of another release.
"""

import contextlib
import os
import signal
import sys
from collections.abc import Sequence

from kombu.transport.redis import QoS

from shared.jobs import CHAT_QUEUE
from shared.ledger.celery import build_celery
from shared.settings import read_settings
from worker.celery_worker import worker_arguments


def dies_after_pop() -> None:
    """kombu has taken a message from its list and not noted it yet when the process is killed."""

    def die(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    QoS.append = die  # type: ignore[method-assign,assignment]  # kombu's own


def main(faults: Sequence[str]) -> None:
    settings = read_settings(os.environ)
    assert settings.redis_url is not None
    if "dies_after_pop" in faults:
        dies_after_pop()
    app = build_celery(settings.redis_url.get_secret_value())
    with contextlib.suppress(SystemExit):
        app.worker_main(worker_arguments(1, [CHAT_QUEUE]))


if __name__ == "__main__":
    main(sys.argv[1:])
