"""What people read who wait for an answer, and what becomes of an answer nobody waits for."""

import asyncio
from collections.abc import Callable

from bots.render.discord import render_for_discord
from bots.render.notices import NEXT, NOBODY, STARTING, failing_notice
from bots.render.slack import render_for_slack
from shared.jobs import Job, Kind, Origin, Platform, make_job
from shared.ledger import codec, keys
from shared.ledger.status import (
    WorkerStart,
    WorkerState,
    begin_start,
    end_start,
    fail_start,
)
from tests.chaos.towns import POST, Town, bots_in, start_bots_in
from tests.chaos.way_out import Scribe, wait_for

RENDER = {Platform.SLACK: render_for_slack, Platform.DISCORD: render_for_discord}
SERVICE_MS = 10_000


def job_of(origin: Origin) -> Job:
    """The job that bots make of a message."""
    return make_job(Kind.CHAT, origin, "")


def shown(town: Town, notice: str) -> str:
    """A notice as people read it."""
    return RENDER[town.platform](notice)[0]


async def wait_read(
    town: Town, place: str, notice: str, meanwhile: Callable[[], None] = lambda: None
) -> None:
    """Wait until the one message of the bot's in a place reads so."""

    def is_there() -> bool:
        meanwhile()
        return town.visible(place) == [shown(town, notice)]

    await asyncio.to_thread(wait_for, is_there, f"{notice!r} in {town.visible(place)}")


async def test_who_waits_reads_where_the_question_stands_in_the_message_of_the_answer(
    town: Town, scribe: Scribe, quiet_redis: str
) -> None:
    ahead = [scribe.accept(await town.ask(town.add_place())) for _ in range(3)]
    place = town.add_place()
    async with bots_in(town, quiet_redis):
        job = job_of(await town.call(place))
        await wait_read(town, place, NOBODY)

        await wait_read(town, place, STARTING, lambda: scribe.report(WorkerState.LOADING))

        def be_ready() -> None:
            scribe.report(WorkerState.READY, slots=2)

        await wait_read(town, place, "*3 ahead of you.*", be_ready)

        # 10 s for each of the four, two at a time
        scribe.client.set(keys.SERVICE, SERVICE_MS)
        await wait_read(town, place, "*3 ahead of you, about 20 s.*", be_ready)

        for other in ahead:
            await asyncio.to_thread(scribe.begin, other)
        await wait_read(town, place, NEXT, be_ready)

        await asyncio.to_thread(scribe.answer, job, "the answer")
        await asyncio.to_thread(scribe.wait_state, job, "delivered")

    (read,) = town.histories(place)
    assert read[-1] == "the answer"
    assert town.num_calls(POST) == 1 + len(ahead), "those ahead were found in the queue, and told"


async def test_who_waits_for_a_model_that_fails_at_every_start_reads_it_and_is_answered_later(
    town: Town, scribe: Scribe, quiet_redis: str
) -> None:
    for _ in range(keys.FAILING_STARTS):
        start = WorkerStart("w1", "gpu1", "big_model", slots=1)
        scribe.store.run(begin_start(start))
        scribe.store.run(fail_start(start, "The model big_model cannot be loaded."))
    place = town.add_place()
    async with bots_in(town, quiet_redis):
        job = job_of(await town.call(place))
        await wait_read(town, place, failing_notice("big_model"))
        assert scribe.state(job) == "queued"

        scribe.store.run(begin_start(start))
        scribe.report(WorkerState.READY)
        scribe.store.run(end_start(start))

        await asyncio.to_thread(scribe.answer, job, "the answer")
        await asyncio.to_thread(scribe.wait_state, job, "delivered")

    (read,) = town.histories(place)
    assert read[-1] == "the answer"


async def test_who_gets_an_answer_soon_is_not_told_to_wait(
    town: Town, scribe: Scribe, quiet_redis: str
) -> None:
    place = town.add_place()
    async with bots_in(town, quiet_redis):
        job = job_of(await town.call(place))
        await asyncio.to_thread(scribe.wait_state, job, "queued")

        await asyncio.to_thread(scribe.answer, job, "at once")

        await asyncio.to_thread(scribe.wait_state, job, "delivered")

    (read,) = town.histories(place)
    # Whether there is time for a placeholder before is a race that nobody sees.
    assert [text for text in read if text != "…"] == ["at once"]
    assert town.platform is Platform.SLACK or read == ["at once"]


async def test_bots_that_were_started_again_tell_those_who_wait(
    town: Town, scribe: Scribe, quiet_redis: str
) -> None:
    place = town.add_place()
    bots = await start_bots_in(town, quiet_redis)
    job = job_of(await town.call(place))
    await wait_read(town, place, NOBODY)
    await asyncio.to_thread(bots.kill)

    async with bots_in(town, quiet_redis):
        await wait_read(town, place, STARTING, lambda: scribe.report(WorkerState.LOADING))

        await asyncio.to_thread(scribe.answer, job, "the answer")
        await asyncio.to_thread(scribe.wait_state, job, "delivered")

    await asyncio.to_thread(bots.stop)
    (read,) = town.histories(place)
    assert read[-1] == "the answer"


async def test_a_late_answer_says_so_from_its_first_word_on(
    town: Town, scribe: Scribe, quiet_redis: str
) -> None:
    origin = await town.ask(town.add_place())
    late = make_job(Kind.CHAT, origin, "a question", late_s=250.0)
    scribe.accept(origin)
    scribe.client.hset(keys.job(late.id), "job", codec.encode(late))
    async with bots_in(town, quiet_redis):
        await asyncio.to_thread(scribe.begin, late)
        await asyncio.to_thread(scribe.write, late, "It")
        await town.wait_for(lambda: town.visible(origin.channel))

        await asyncio.to_thread(scribe.end, late, "It does.")

        await asyncio.to_thread(scribe.wait_state, late, "delivered")

    label = shown(town, "*(You asked this 4 minutes ago, while I was away.)*")
    (read,) = town.histories(origin.channel)
    assert read == [f"{label}\n\nIt", f"{label}\n\nIt does."]


async def test_a_question_that_is_deleted_takes_its_growing_answer_with_it(
    town: Town, scribe: Scribe, quiet_redis: str
) -> None:
    place = town.add_place()
    async with bots_in(town, quiet_redis) as bots:
        asked = await town.call(place)
        job = job_of(asked)
        await asyncio.to_thread(scribe.begin, job)
        await asyncio.to_thread(scribe.write, job, "so far")
        await town.wait_for(lambda: town.visible(place) == ["so far"])

        await town.take_back(asked)

        await town.wait_for(lambda: town.visible(place) == [])
        assert scribe.state(job) == "withdrawn"
        next_job = job_of(await town.call(place))
        await asyncio.to_thread(scribe.answer, next_job, "another")
        await asyncio.to_thread(scribe.wait_state, next_job, "delivered")
        assert town.visible(place) == ["another"]
        assert bots.process.poll() is None


async def test_a_question_that_is_deleted_while_its_answer_is_being_posted_leaves_nothing(
    town: Town, scribe: Scribe, quiet_redis: str
) -> None:
    place = town.add_place()
    asked = await town.ask(place)
    job = scribe.accept(asked)
    async with bots_in(town, quiet_redis):
        town.proxy.pause_answers()
        await asyncio.to_thread(scribe.answer, job, "too late")
        await town.wait_for(lambda: town.visible(place) == ["too late"])

        await town.take_back(asked)
        await asyncio.to_thread(scribe.wait_state, job, "withdrawn")
        town.proxy.resume()

        await town.wait_for(lambda: town.visible(place) == [])
