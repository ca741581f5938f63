"""A job's name is made from its message, so that the same message is accepted once."""

import dataclasses
import re
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.jobs import JOB_ID_LENGTH, Kind, Origin, Platform, job_id, make_job
from shared.tasks import Task

IDS = st.text(alphabet="0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ.@", min_size=1, max_size=20)
ORIGINS = st.builds(
    Origin,
    platform=st.sampled_from(Platform),
    team=IDS,
    channel=IDS,
    thread=IDS,
    message=IDS,
    user=IDS,
)
OTHER: dict[str, Any] = dict.fromkeys(("team", "channel", "thread", "message", "user"), "other")
OTHER["platform"] = Platform.DISCORD
ORIGIN = Origin(Platform.SLACK, "T1", "C1", "1700000000.000100", "1700000001.000200", "U1")


@given(ORIGINS)
def test_job_id_is_twenty_characters_of_base32(origin: Origin) -> None:
    assert re.fullmatch(r"[a-z2-7]{20}", job_id(origin))


@given(ORIGINS)
def test_job_id_is_the_same_for_an_equal_origin(origin: Origin) -> None:
    assert job_id(origin) == job_id(dataclasses.replace(origin))


@given(st.lists(ORIGINS, unique_by=lambda o: (o.platform, o.team, o.channel, o.message)))
def test_job_id_differs_for_different_messages(origins: list[Origin]) -> None:
    assert len({job_id(origin) for origin in origins}) == len(origins)


def test_job_id_is_known_and_stays_so_across_releases() -> None:
    """A job that an older process recorded has to be found again by a newer one."""
    assert job_id(ORIGIN) == "24slixw5dd7qzmu6jd7t"


@pytest.mark.parametrize("field", ["platform", "team", "channel", "message"])
def test_job_id_differs_by_place_and_message(field: str) -> None:
    other = dataclasses.replace(ORIGIN, **{field: OTHER[field]})

    assert job_id(other) != job_id(ORIGIN)


@pytest.mark.parametrize("field", ["thread", "user"])
def test_job_id_does_not_depend_on_what_two_events_of_one_message_may_not_share(
    field: str,
) -> None:
    other = dataclasses.replace(ORIGIN, **{field: OTHER[field]})

    assert job_id(other) == job_id(ORIGIN)


def test_job_id_leaves_room_in_a_discord_nonce() -> None:
    assert JOB_ID_LENGTH + len("-999") < 25


def test_make_job_names_the_job_after_its_message() -> None:
    job = make_job(Kind.CHAT, ORIGIN, "hello")

    assert (job.id, job.kind, job.origin, job.text) == (job_id(ORIGIN), Kind.CHAT, ORIGIN, "hello")


@pytest.mark.parametrize("field", ["platform", "team", "channel", "thread"])
def test_conversation_differs_by_place(field: str) -> None:
    other = dataclasses.replace(ORIGIN, **{field: OTHER[field]})

    assert other.conversation != ORIGIN.conversation


@pytest.mark.parametrize("field", ["message", "user"])
def test_conversation_is_shared_by_its_messages_and_people(field: str) -> None:
    other = dataclasses.replace(ORIGIN, **{field: OTHER[field]})

    assert other.conversation == ORIGIN.conversation


@pytest.mark.parametrize(
    ("platform", "outbox"),
    [
        (Platform.SLACK, "slack"),
        (Platform.DISCORD, "discord"),
        (Platform.CONSOLE, "console:C1"),  # one a session
    ],
)
def test_outbox_is_one_a_platform_and_one_a_console_session(
    platform: Platform, outbox: str
) -> None:
    assert dataclasses.replace(ORIGIN, platform=platform).outbox == outbox


@pytest.mark.parametrize("kind", Kind)
def test_task_names_are_ours(kind: Kind) -> None:
    assert kind.task_name == f"parley.{kind}"


def test_what_needs_no_chat_model_waits_in_queues_of_its_own() -> None:
    other = {kind: kind.queue for kind in Kind if kind.queue != "chat"}

    assert other == {Kind.TAG: "tag", Kind.REPORT: "tag", Kind.LEARN: "index"}


def test_all_threads_of_a_direct_message_on_slack_are_one_conversation() -> None:
    direct = dataclasses.replace(ORIGIN, channel="D1", thread="")
    in_thread = dataclasses.replace(direct, thread="1.000100")
    on_discord = dataclasses.replace(in_thread, platform=Platform.DISCORD)

    assert in_thread.conversation == direct.conversation
    assert in_thread.conversation != dataclasses.replace(direct, channel="D2").conversation
    assert on_discord.conversation != dataclasses.replace(on_discord, thread="").conversation


def test_each_act_upon_a_message_is_a_job_and_a_conversation_of_its_own() -> None:
    origins = [ORIGIN, *(dataclasses.replace(ORIGIN, act=act) for act in ("tag", "flag:U1:fr"))]

    assert len({job_id(origin) for origin in origins}) == len(origins)
    assert len({origin.conversation for origin in origins}) == len(origins)
    assert {origin.tenant for origin in origins} == {ORIGIN.tenant}


def test_every_task_has_a_kind_of_its_name() -> None:
    names = {
        field.default
        for task in get_args(Task)
        for field in dataclasses.fields(task)
        if field.name == "type"
    }

    assert names == {str(kind) for kind in Kind} - {Kind.CHAT, Kind.NEW}
