"""Row 38 of docs/reliability.md: workers and Redis are killed together, again and again.

Two real workers that write at a pace and compute nothing, and a real Redis: what is tried is who is
blamed for their deaths.
"""

import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from shared.jobs import Job
from shared.ledger import keys
from shared.ledger import status as operating
from shared.replies import Done
from tests.chaos.workers import OUTBOX, Supervised, desk_at, wait_for
from tests.redis_servers import RedisServer
from tests.running import RunningModule

NUM_QUESTIONS = 200
NUM_KILLS = 5
WORKERS = 2
MAX_ATTEMPTS = 3
NUM_OPEN = 16
"""As many as have a slot, so that the same questions are hit again and again."""
SETTINGS = {
    "PARLEY_CONCURRENCY": "8",
    "PARLEY_MAX_NEW_TOKENS": "10",
    "PARLEY_LEASE_S": "1",
}
TOKENS_PER_S = "15"
"""An answer takes two thirds of a second."""
WRITTEN_S = 0.15
"""From when answers are written to the next death: most of them are cut."""


@contextmanager
def workers_at(url: str) -> Iterator[Sequence[Supervised]]:
    settings = {**SETTINGS, "PARLEY_REDIS_URL": url}

    def start() -> RunningModule:
        return RunningModule("worker", "paced", TOKENS_PER_S, settings=settings)

    with ExitStack() as stack:
        yield [stack.enter_context(Supervised(start)) for _ in range(WORKERS)]


def kill_all(server: RedisServer, workers: Sequence[Supervised]) -> None:
    """SIGKILL for all of them at once; then they are started again."""
    for supervised in workers:
        supervised.lives[-1].process.send_signal(signal.SIGKILL)
    server.kill()
    for supervised in workers:
        supervised.lives[-1].process.wait()
    server.start()
    for supervised in workers:
        supervised.look_after()
    for supervised in workers:
        supervised.lives[-1].wait_for_event("worker_ready")


def test_row_38_workers_and_redis_that_die_together_cost_no_question_its_answer(
    tmp_path: Path,
) -> None:
    with (
        RedisServer(tmp_path) as server,
        desk_at(server.url) as desk,
        workers_at(server.url) as workers,
    ):
        jobs: list[Job] = []

        def top_up() -> None:
            """Ask on, as long as not so many questions are open."""
            num_answered: Any = desk.client.xlen(keys.outbox(OUTBOX))
            wanted = min(NUM_QUESTIONS, num_answered + NUM_OPEN)
            jobs.extend(desk.ask(f"Question {number}?") for number in range(len(jobs), wanted))

        for _ in range(NUM_KILLS):
            wait_for(lambda: desk.status().num_running > WORKERS, "some run", meanwhile=top_up)
            time.sleep(WRITTEN_S)
            kill_all(server, workers)
        attempts = [int(desk.field(job, "attempts")) for job in jobs]
        wait_for(
            lambda: desk.client.xlen(keys.outbox(OUTBOX)) >= NUM_QUESTIONS,
            "all answers",
            meanwhile=top_up,
        )

        replies = [desk.wait_reply(job) for job in jobs]
        assert [type(reply) for reply in replies] == [Done] * NUM_QUESTIONS
        assert max(attempts) >= MAX_ATTEMPTS - 1, "some have come to their last attempt"
        assert desk.store.run(operating.dead_letters(NUM_QUESTIONS)) == ()
