"""Celery is run again when it ends unasked, but not for ever."""

import itertools

from shared.ledger.celery import build_celery
from worker.celery_worker import RESTARTS, run_celery

NO_COMMAND = ["--quiet"]
"""A command line that Celery refuses before it begins."""


def test_celery_that_fails_each_time_is_given_up() -> None:
    app = build_celery("redis://127.0.0.1:1/0")
    asked = itertools.count()

    assert not run_celery(app, NO_COMMAND, lambda: next(asked) < 0, first_wait_s=0.001)

    assert next(asked) >= RESTARTS
    app.close()


def test_celery_is_not_run_again_once_the_worker_is_to_end() -> None:
    app = build_celery("redis://127.0.0.1:1/0")

    assert run_celery(app, NO_COMMAND, lambda: True, first_wait_s=3600)

    app.close()
