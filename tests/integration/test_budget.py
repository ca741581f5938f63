"""What all bots processes together may ask of a platform: real Redis, several processes' views."""

import asyncio
from collections.abc import AsyncIterator

import pytest

import bots.store
from bots.delivery.rate_budget import SharedRateBudget
from bots.delivery.turns import Rank, Turns
from shared.errors import RateLimitedError
from shared.ledger import rate_budget
from shared.ledger.rate_budget import Bucket
from tests.fakes.tcp_proxy import TcpProxy
from tests.patience import PATIENCE_S
from worker.store import BlockingStore

PER_MINUTE, BURST, RESERVE = 60.0, 5, 2
BUCKET = Bucket("slack:T1:chat.update", PER_MINUTE, BURST, RESERVE)
T0_MS = 1_700_000_000_000
QUICK = Bucket("quick", per_minute=1_200.0, burst=5, reserve=2)
"""One call each 50 ms."""


def take(store: BlockingStore, at_s: float, rank: Rank = Rank.ENDING) -> float:
    return store.run(rate_budget.take(BUCKET, rank, T0_MS + round(at_s * 1000)))


def say_no(store: BlockingStore, for_s: float) -> None:
    """The platform wants to be left alone for so long."""
    store.run(rate_budget.close(BUCKET, for_s, T0_MS))


def test_a_bucket_gives_its_burst_at_once_and_then_evenly(store: BlockingStore) -> None:
    # one a second; five at once, of which texts leave two
    taken = [take(store, 0.0, Rank.TEXT) for _ in range(4)]

    assert taken == [0.0, 0.0, 0.0, 1.0]
    assert take(store, 0.5, Rank.TEXT) == 0.5
    assert take(store, 1.0, Rank.TEXT) == 0.0
    assert take(store, 1.0, Rank.TEXT) == 1.0
    assert [take(store, 100.0, Rank.TEXT) for _ in range(4)] == [0.0, 0.0, 0.0, 1.0]


# rank -> how many of five it gets before it has to wait
SHARES = {Rank.ENDING: 5, Rank.TEXT: 3, Rank.NOTICE: 1}


@pytest.mark.parametrize("rank", SHARES)
def test_what_is_less_urgent_leaves_a_reserve_for_what_is_more_so(
    store: BlockingStore, rank: Rank
) -> None:
    say_no(store, 0.0)
    full_s = 10.0
    taken = [take(store, full_s, rank) for _ in range(BURST + 1)]

    assert taken.count(0.0) == SHARES[rank]
    assert set(taken[SHARES[rank] :]) == {1.0}
    assert [take(store, full_s) for _ in range(rank * RESERVE)] == [0.0] * (rank * RESERVE)
    assert take(store, full_s) == 1.0


def test_endings_try_for_more_in_single_file_until_the_platform_says_no(
    store: BlockingStore,
) -> None:
    assert [take(store, 0.0) for _ in range(BURST + 1)] == [0.0] * (BURST + 1)

    # one a second, twenty times as fast
    assert take(store, 0.0) == 0.05
    assert take(store, 0.05) == 0.0
    assert take(store, 0.05, Rank.TEXT) == RESERVE + 1 + 2 - 0.05, "two in debt"
    store.run(rate_budget.close(BUCKET, 3.0, T0_MS + 50))

    assert take(store, 0.1) == 2.95
    assert take(store, 6.05) == 0.0, "the debt is paid: 3 s after its word, 0.05 s were left"
    assert take(store, 6.05) == 0.95
    assert take(store, 600.0) == 0.0
    assert [take(store, 604.0) for _ in range(BURST + 2)] == [0.0] * (BURST + 1) + [0.05]


def test_a_call_that_is_made_in_any_case_is_made_up_for(store: BlockingStore) -> None:
    for _ in range(BURST + 2):
        store.run(rate_budget.spend(BUCKET, T0_MS))

    assert take(store, 0.0, Rank.TEXT) == RESERVE + 1 + 2, "two in debt"
    for _ in range(100):
        store.run(rate_budget.spend(BUCKET, T0_MS))
    assert take(store, 0.0, Rank.TEXT) == RESERVE + 1 + BURST, "the debt has an end"


def test_a_platforms_word_holds_for_everybody_and_then_one_finds_out(store: BlockingStore) -> None:
    say_no(store, 30.0)
    say_no(store, 10.0)

    assert take(store, 0.0) == 30.0
    assert take(store, 29.0) == 1.0
    assert take(store, 30.0, Rank.TEXT) == RESERVE, "texts leave the first call to endings"
    assert take(store, 30.0) == 0.0
    assert take(store, 30.0) == 1.0, "it did not fill meanwhile"


def test_figures_that_are_only_guessed_do_not_bind_endings_after_a_limit(
    store: BlockingStore,
) -> None:
    guessed = Bucket("discord:C1", PER_MINUTE, BURST, RESERVE, is_documented=False)
    store.run(rate_budget.close(guessed, 3.0, T0_MS))

    def ask(at_s: float) -> float:
        return store.run(rate_budget.take(guessed, Rank.ENDING, T0_MS + round(at_s * 1000)))

    assert ask(0.0) == 3.0
    assert [ask(3.0) for _ in range(BURST + 2)] == [0.0] * (BURST + 1) + [0.05]


def test_a_full_bucket_is_forgotten(store: BlockingStore) -> None:
    seconds, _ = store.client.time()
    store.run(rate_budget.take(BUCKET, 0, seconds * 1000))

    (key,) = store.client.keys("parley:budget:*")
    left_ms = store.client.pttl(key)

    assert isinstance(left_ms, int)
    assert 0 < left_ms <= 1000 + 1000, "a second to fill, and one more"


@pytest.fixture
async def stores(quiet_redis: str) -> AsyncIterator[list[bots.store.AsyncStore]]:
    """The Redis of two bots processes."""
    found = [await bots.store.open_store(quiet_redis, allow_volatile=False) for _ in range(2)]
    yield found
    for store in found:
        await store.close()


async def test_endings_of_any_process_go_before_texts_of_any(
    stores: list[bots.store.AsyncStore],
) -> None:
    paces = [Turns(SharedRateBudget(store)) for store in stores]
    had: list[Rank] = []
    texts_have_theirs = asyncio.Event()
    await stores[0].run(rate_budget.close(QUICK, 0.0))

    async def have_turn(number: int, rank: Rank) -> None:
        pace = paces[number % len(paces)]
        async with pace.turn(f"C{number}", lambda: rank, QUICK):
            had.append(rank)
            if len(had) == QUICK.burst - QUICK.reserve:
                texts_have_theirs.set()

    texts = [asyncio.create_task(have_turn(number, Rank.TEXT)) for number in range(10)]
    async with asyncio.timeout(PATIENCE_S):
        await texts_have_theirs.wait()
        endings = [asyncio.create_task(have_turn(number, Rank.ENDING)) for number in range(10)]
        await asyncio.gather(*texts, *endings)

    # A text may go between two endings if one of these was told to wait a moment too long.
    first = had[: QUICK.burst - QUICK.reserve + 12]
    assert first.count(Rank.ENDING) == 10, had
    assert had[-5:] == [Rank.TEXT] * 5


async def test_a_text_that_waits_for_the_budget_holds_up_no_ending_in_its_place(
    stores: list[bots.store.AsyncStore],
) -> None:
    pace = Turns(SharedRateBudget(stores[0]))
    shared = SharedRateBudget(stores[1])
    bucket = Bucket("slow", per_minute=0.6, burst=2, reserve=1)
    await shared.spend(bucket)  # another process has had what texts may have
    had: list[str] = []
    ranks: list[Rank | None] = [Rank.TEXT]

    async def text() -> None:
        async with pace.turn("C1", lambda: ranks[-1], bucket) as has_turn:
            had.append("text" if has_turn else "given up")

    waiting = asyncio.create_task(text())
    async with asyncio.timeout(PATIENCE_S):
        await asyncio.sleep(0)  # it is the first in its place, and asks
        async with pace.turn("C1", lambda: Rank.ENDING, bucket):
            had.append("ending")
        ranks.append(None)
        pace.look("C1")
        await waiting

    assert had == ["ending", "given up"]


async def test_a_limit_that_one_process_meets_is_known_to_the_other(
    stores: list[bots.store.AsyncStore],
) -> None:
    pace, other = Turns(SharedRateBudget(stores[0])), SharedRateBudget(stores[1])

    with pytest.raises(RateLimitedError):
        async with pace.turn("C1", lambda: Rank.ENDING, QUICK):
            raise RateLimitedError(30.0)

    assert 29.0 < await other.take(QUICK, Rank.ENDING) <= 30.0


async def test_without_redis_nobody_waits_for_the_budget(line: TcpProxy, quiet_redis: str) -> None:
    port = quiet_redis.rpartition(":")[2].partition("/")[0]
    store = await bots.store.open_store(
        quiet_redis.replace(port, str(line.port)), allow_volatile=False
    )
    empty = Bucket("empty", per_minute=0.6, burst=1, reserve=0)
    try:
        assert await SharedRateBudget(store).take(empty, Rank.TEXT) == 0.0
        assert await SharedRateBudget(store).take(empty, Rank.TEXT) > 0.0
        line.pause()

        assert await SharedRateBudget(store).take(empty, Rank.TEXT) == 0.0
    finally:
        line.resume()
        await store.close()
