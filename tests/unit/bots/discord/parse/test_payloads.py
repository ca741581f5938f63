"""What a message on Discord is, in words that every platform shares."""

import dataclasses

import pytest

from bots.discord.parse.payloads import (
    DiscordPlace,
    Facts,
    id_at,
    origin_of,
    to_incoming,
    written_at_s,
)
from bots.incoming.situation import Thread, followed, may_be_ours, needs_lookup
from shared.jobs import job_id

ME, ROLE, ALICE, BOB = 1, 2, 3, 4
CHANNEL = DiscordPlace(10, 20)
THREAD = DiscordPlace(10, 21, parent=20)
DIRECT = DiscordPlace(None, 30)
PLAIN = Facts(CHANNEL, 100, ALICE, "hello", frozenset({ME, ROLE}), is_from_person=True)


def facts(**changes: object) -> Facts:
    return dataclasses.replace(PLAIN, **changes)  # type: ignore[arg-type]  # fields by name


@pytest.mark.parametrize(
    ("message", "may_be", "asks"),
    [
        (facts(), False, False),
        (facts(mentioned=frozenset({ME})), True, False),
        (facts(mentioned=frozenset({ROLE})), True, False),
        (facts(mentioned=frozenset({BOB})), False, False),
        (facts(place=DIRECT), True, False),
        (facts(place=THREAD), True, True),
        # said to somebody else, which makes a difference to what is said after it
        (facts(place=THREAD, mentioned=frozenset({BOB})), True, True),
        (facts(place=THREAD, mentioned=frozenset({ME})), True, False),
        (facts(reply_to=99, reply_to_author=ME), True, True),
        (facts(reply_to=99, reply_to_author=None), True, True),
        (facts(reply_to=99, reply_to_author=BOB), False, False),
        # asked in a reply to an answer: which conversation it is has to be looked up
        (facts(reply_to=99, reply_to_author=ME, mentioned=frozenset({ME})), True, True),
        (facts(author=ME, place=DIRECT), False, False),
        (facts(is_from_person=False, place=DIRECT), False, False),
    ],
)
def test_what_may_be_ours_is_known_without_the_ledger(
    message: Facts, *, may_be: bool, asks: bool
) -> None:
    incoming = to_incoming(message)

    assert (may_be_ours(incoming), needs_lookup(incoming)) == (may_be, asks)


def test_a_reply_to_somebody_else_is_said_to_them() -> None:
    assert to_incoming(facts(reply_to=99, reply_to_author=BOB)).situation.mentions_others
    assert not to_incoming(facts(reply_to=99, reply_to_author=ME)).situation.mentions_others


def test_another_bot_is_named_and_we_are_not() -> None:
    bots = facts(is_from_person=False, is_from_bot=True)

    assert to_incoming(bots).bot == str(ALICE)
    assert to_incoming(dataclasses.replace(bots, author=ME)).bot == ""
    assert to_incoming(facts()).bot == ""


def test_a_reply_goes_on_with_the_conversation_that_was_found() -> None:
    incoming = to_incoming(facts(reply_to=99, reply_to_author=ME))

    found, not_found = followed(incoming, Thread("50")), followed(incoming, None)

    assert (found.origin.thread, found.situation.replies_to_us) == ("50", True)
    # Discord says that it is a reply to us; only the conversation is not known
    assert (not_found.origin.thread, not_found.situation.replies_to_us) == ("100", True)


def test_a_deletion_names_the_same_job_as_the_message() -> None:
    incoming = to_incoming(facts(reply_to=99))

    assert job_id(origin_of(CHANNEL, 100)) == job_id(incoming.origin)


def test_a_message_in_a_thread_names_the_channel_that_it_hangs_in() -> None:
    incoming = to_incoming(facts(place=THREAD))

    assert (incoming.origin.channel, incoming.origin.parent) == ("21", "20")
    # a deletion names no parent, and is the same message
    assert job_id(origin_of(DiscordPlace(10, 21), 100)) == job_id(incoming.origin)


def test_an_id_tells_the_time() -> None:
    # docs.discord.com, Reference: 175928847299117063 is 2016-04-30 11:18:25.796 UTC
    assert written_at_s(175928847299117063) == 1462015105.796
    assert written_at_s(id_at(1462015105.796)) == pytest.approx(1462015105.796, abs=0.001)
    assert id_at(0) == 0
