"""A worker whose slots are all taken begins the next job as soon as one of them is free."""

import time

from tests.chaos.workers import desk_at
from tests.running import RunningModule

NUM_JOBS = 5
MOST_IDLE_S = 0.5
"""Between two jobs, on the average, on a busy machine; Celery by itself takes a second or two."""


def test_a_slot_that_becomes_free_is_filled_at_once(own_redis: str) -> None:
    settings = {
        "PARLEY_REDIS_URL": own_redis,
        "PARLEY_CONCURRENCY": "1",
        "PARLEY_MAX_NEW_TOKENS": "2",
    }
    with (
        RunningModule("tests.paced_worker", settings=settings) as worker,
        desk_at(own_redis) as desk,
    ):
        worker.wait_for_event("worker_ready")
        first = desk.ask("Warm up.")
        desk.wait_answer(first)

        began_s = time.monotonic()
        jobs = [desk.ask(f"Question {number}.") for number in range(NUM_JOBS)]
        for job in jobs:
            desk.wait_answer(job)
        passed_s = time.monotonic() - began_s

        worker.wait_for_event("job_ended", NUM_JOBS + 1)
        busy_s = sum(event["seconds"] for event in worker.events("job_ended")[1:])
        assert passed_s - busy_s < NUM_JOBS * MOST_IDLE_S
