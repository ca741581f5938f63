"""The plan of a run: enough of everything, from a seed alone, never without load."""

import pytest

from tests.chaos.plan import AMOUNTS, FULL_RUN, Deed, failover, make_plan, rolling_upgrade


def number_of(deed: Deed, num_messages: int) -> int:
    return sum(event.deed is deed for event in make_plan(7, num_messages))


def test_full_run_kills_fifty_workers_twenty_bots_and_five_redis() -> None:
    num_bots = 2

    assert number_of(Deed.KILL_WORKER, FULL_RUN) >= 50
    all_at_once = number_of(Deed.KILL_ALL_BOTS, FULL_RUN)
    assert number_of(Deed.KILL_BOTS, FULL_RUN) + num_bots * all_at_once >= 20
    assert number_of(Deed.KILL_REDIS, FULL_RUN) >= 5


def test_short_run_does_everything_once_at_least() -> None:
    assert all(number_of(deed, 500) for deed in AMOUNTS)
    assert number_of(Deed.KILL_WORKER, 500) == 5


def test_seed_draws_the_same_plan_again_and_another_one_another() -> None:
    assert make_plan(7, 500) == make_plan(7, 500)
    assert make_plan(7, 500) != make_plan(8, 500)


@pytest.mark.parametrize("num_messages", [50, 500, FULL_RUN])
def test_deeds_are_due_in_order_while_messages_are_sent(num_messages: int) -> None:
    places = [event.at_message for event in make_plan(7, num_messages)]

    assert places == sorted(places)
    assert places[0] > 0
    assert places[-1] < num_messages


def test_an_upgrade_replaces_everything_and_a_failover_kills_redis_in_the_middle() -> None:
    deeds = [event.deed for event in rolling_upgrade(1000)]

    assert (deeds.count(Deed.UPGRADE_WORKER), deeds.count(Deed.UPGRADE_BOTS)) == (2, 2)
    assert [(event.deed, event.at_message) for event in failover(200)] == [(Deed.KILL_REDIS, 100)]
