"""Preferences: what makes sense, what of three layers holds, and what has changed."""

from datetime import UTC, datetime, time

import pytest

from shared.jobs import Effort, Kind, Origin, Platform, PromptOverrides
from shared.ledger import codec
from shared.preference_layers import Fallback, Resolved, resolve
from shared.preferences import (
    MAX_ROLES,
    MAX_SYSTEM_PROMPT_CHARS,
    PreferenceError,
    Preferences,
    QuietHours,
    Quota,
    ReplyPlace,
    Scope,
    Stored,
    WhenToSpeak,
    changes,
    parse_quiet_hours,
    scopes_of,
)

NIGHT = QuietHours(time(22), time(7), "Europe/Berlin")
EVERYTHING = Preferences(
    when_to_speak=WhenToSpeak.QUESTIONS,
    model="gemma-3-270m-it",
    thinking=Effort.OFF,
    reply_place=ReplyPlace.CHANNEL,
    system_prompt="Be kind.",
    language="fr",
    retention_hours=1.5,
    tasks_off=frozenset({Kind.WRITE}),
    quiet_hours=NIGHT,
    user_quota=Quota(1, 2),
    channel_quota=Quota(3, 4),
    role_quotas={"R1": Quota(5)},
)


def test_preferences_come_back_from_json_as_they_were() -> None:
    stored = Stored(EVERYTHING, 7)

    assert codec.decode(codec.encode(stored), Stored) == stored


def test_a_channel_goes_before_its_workspace_and_that_before_the_settings() -> None:
    fallback = Fallback(user_quota=Quota(100, 100), channel_quota=Quota(200, 200))
    channel = Preferences(language="de", user_quota=Quota(messages=9))

    resolved = resolve(EVERYTHING, channel, fallback)

    assert resolved == Resolved(
        when_to_speak=WhenToSpeak.QUESTIONS,
        model="gemma-3-270m-it",
        thinking=Effort.OFF,
        reply_place=ReplyPlace.CHANNEL,
        system_prompt="Be kind.",
        language="de",
        retention_ms=5_400_000,  # 1.5 hours
        tasks_off=frozenset({Kind.WRITE}),
        quiet_hours=NIGHT,
        user_quota=Quota(9, 2),
        channel_quota=Quota(3, 4),
        role_quotas={"R1": Quota(5)},
    )
    assert resolved.manner == PromptOverrides(
        "Be kind.", "de", 5_400_000, "gemma-3-270m-it", thinking=Effort.OFF
    )
    assert resolve(Preferences(), Preferences(), fallback).user_quota == Quota(100, 100)


def test_a_channel_can_take_back_what_its_workspace_prefers() -> None:
    channel = Preferences(
        model="",
        thinking=Effort.AUTO,
        system_prompt="",
        language="",
        tasks_off=frozenset(),
        user_quota=Quota(0, 0),
    )

    resolved = resolve(EVERYTHING, channel, Fallback())

    assert (resolved.model, resolved.system_prompt, resolved.language) == ("", None, "")
    assert resolved.thinking is Effort.AUTO
    assert resolved.tasks_off == frozenset()
    assert resolved.user_quota == Quota(0, 0)


@pytest.mark.parametrize(
    ("workspace", "named", "channel", "holds"),
    [
        (None, None, None, "mentions"),
        ("off", None, None, "off"),
        ("off", "always", None, "always"),  # the operator has named that very channel
        ("off", "always", "questions", "questions"),
        (None, "always", None, "always"),
    ],
)
def test_when_to_speak_is_what_speaks_of_the_channel_most_closely(
    workspace: str | None, named: str | None, channel: str | None, holds: str
) -> None:
    def speak(mode: str | None) -> Preferences:
        return Preferences(when_to_speak=WhenToSpeak(mode) if mode else None)

    fallback = Fallback({"C1": WhenToSpeak(named)} if named else {})

    assert resolve(speak(workspace), speak(channel), fallback, "C1").when_to_speak == holds


@pytest.mark.parametrize(
    ("roles", "quota"),
    [
        (frozenset(), Quota(10, 100)),
        (frozenset({"unknown"}), Quota(10, 100)),
        (frozenset({"small"}), Quota(2, 100)),
        (frozenset({"small", "big"}), Quota(50, 100)),
        (frozenset({"small", "boss"}), Quota(0, 0)),  # without limit
    ],
)
def test_of_a_persons_roles_the_most_generous_counts(roles: frozenset[str], quota: Quota) -> None:
    of_roles = {"small": Quota(2), "big": Quota(50), "boss": Quota(0, 0)}
    resolved = Resolved(user_quota=Quota(10, 100), role_quotas=of_roles)

    assert resolved.quota_of(roles) == quota


@pytest.mark.parametrize(
    ("hours", "utc", "covered"),
    [
        ("22:00-07:00 Europe/Berlin", "2026-01-15T20:59", False),  # 21:59 there
        ("22:00-07:00 Europe/Berlin", "2026-01-15T21:00", True),
        ("22:00-07:00 Europe/Berlin", "2026-07-15T20:00", True),  # summer: 22:00 there
        ("22:00-07:00 Europe/Berlin", "2026-01-15T05:59", True),
        ("22:00-07:00 Europe/Berlin", "2026-01-15T06:00", False),
        ("12:00-13:00", "2026-01-15T12:30", True),
        ("12:00-13:00 UTC", "2026-01-15T13:00", False),
        ("00:00-00:00 Asia/Tokyo", "2026-01-15T03:00", True),  # the whole day
    ],
)
def test_quiet_hours_cover_a_span_in_their_zone(hours: str, utc: str, *, covered: bool) -> None:
    moment = datetime.fromisoformat(utc).replace(tzinfo=UTC)

    assert parse_quiet_hours(hours).covers(moment) is covered


def test_quiet_hours_read_as_they_are_written() -> None:
    assert str(parse_quiet_hours(" 22:00-07:30  Europe/Berlin ")) == "22:00-07:30 Europe/Berlin"


@pytest.mark.parametrize(
    "text",
    ["", "always", "22:00", "22-7-8", "25:00-07:00", "22:00-07:00 Europe/Atlantis", "1-2 .."],
)
def test_quiet_hours_that_are_none_are_refused_with_an_example(text: str) -> None:
    with pytest.raises(PreferenceError, match="Europe/Berlin"):
        parse_quiet_hours(text)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"system_prompt": "x" * (MAX_SYSTEM_PROMPT_CHARS + 1)}, "4,001 characters"),
        ({"language": "klingon"}, "no language"),
        ({"model": "the big one"}, "“the big one” is no model's name"),
        ({"thinking": Effort.HARD}, "on, off, or as the model does"),
        ({"retention_hours": 0}, "more than 0"),
        ({"retention_hours": float("nan")}, "more than 0"),
        ({"retention_hours": 1e9}, "at most 876,000 hours"),
        ({"tasks_off": frozenset({Kind.CHAT})}, "chat cannot be switched off"),
        ({"role_quotas": {str(n): Quota(1) for n in range(MAX_ROLES + 1)}}, "50 roles"),
    ],
)
def test_what_makes_no_sense_is_refused_with_a_sentence(
    fields: dict[str, object], sentence: str
) -> None:
    with pytest.raises(PreferenceError, match=sentence):
        Preferences(**fields)  # type: ignore[arg-type]  # fields by name


def test_a_negative_quota_is_refused() -> None:
    with pytest.raises(PreferenceError, match="0 or more"):
        Quota(tokens=-1)


def test_changes_name_the_fields_that_differ() -> None:
    after = Preferences(
        when_to_speak=WhenToSpeak.OFF,
        system_prompt="Be kind.",
        tasks_off=frozenset(),
        role_quotas={"R1": Quota(5, 1000), "R0": Quota(0)},
        thinking=Effort.AUTO,
    )

    assert changes(Preferences(system_prompt="Be brief."), after) == (
        ("when_to_speak", "", "off"),
        ("thinking", "", "auto"),
        ("system_prompt", "Be brief.", "Be kind."),
        ("tasks_off", "", "none"),
        ("role_quotas", "", "R0: 0 messages; R1: 5 messages, 1,000 tokens"),
    )
    assert changes(after, after) == ()


def test_a_thread_has_the_preferences_of_its_channel() -> None:
    origin = Origin(Platform.DISCORD, "10", "21", "", "100", "3", parent="20")

    assert scopes_of(origin) == (Scope("discord:10"), Scope("discord:10", "20"))
