"""Settings as forms, and forms as settings."""

from datetime import time

import pytest

from bots.discord.views.settings import OF_CHANNELS, SettingsPage, fields_of, settings_text
from bots.incoming.preference_form import (
    NO_HOURS,
    NO_LANGUAGE,
    NO_LIMIT,
    NOTHING,
    FormError,
    Values,
    preferences_of,
)
from shared.jobs import Effort, Kind
from shared.preferences import (
    MAX_ROLES,
    Preferences,
    QuietHours,
    Quota,
    ReplyPlace,
    WhenToSpeak,
)

FULL = Preferences(
    when_to_speak=WhenToSpeak.QUESTIONS,
    model="gemma-3-270m-it",
    thinking=Effort.OFF,
    reply_place=ReplyPlace.THREAD,
    system_prompt="Be brief.",
    language="fr",
    retention_hours=1.5,
    tasks_off=frozenset({Kind.COMPLETE}),
    quiet_hours=QuietHours(time(22), time(7), "Europe/Berlin"),
    user_quota=Quota(7, 0),
    channel_quota=Quota(None, 9),
    allowed=frozenset({"role:41", "user:51"}),
    denied=frozenset({"channel:21", "bots"}),
)
SERVER = "discord:11"
KNOWN = ("guests", "strangers")


@pytest.mark.parametrize("known", [FULL, Preferences(), Preferences(tasks_off=frozenset())])
def test_a_form_that_is_sent_as_it_was_shown_changes_nothing(known: Preferences) -> None:
    for page in SettingsPage:
        values = {field.name: field.values for field in fields_of(page, known)}

        assert preferences_of(values, known, SERVER) == known


def test_a_field_that_is_emptied_leaves_it_to_the_layer_below() -> None:
    values = {field.name: () for page in SettingsPage for field in fields_of(page, FULL)}

    assert preferences_of(values, FULL, SERVER) == Preferences()


@pytest.mark.parametrize(
    ("tenant", "written", "kept"),
    [
        (SERVER, "role:41, discord:11/user:51\nbots", {"role:41", "user:51", "bots"}),
        ("slack:T1", "C1 U1,S1; guests slack:T1/strangers", {"C1", "U1", "S1", *KNOWN}),
        ("slack:T1", "user:U1", {"U1"}),
        ("slack:T1", " , ", None),
    ],
)
def test_a_workspaces_own_lists_are_read_by_the_names_of_its_platform(
    tenant: str, written: str, kept: set[str] | None
) -> None:
    found = preferences_of({"allowed": [written]}, Preferences(), tenant)

    assert found.allowed == (frozenset(kept) if kept else None)


@pytest.mark.parametrize(
    ("tenant", "written", "says"),
    [
        (SERVER, "C012AB3CD", "names nothing on Discord: write channel:ID"),
        (SERVER, "guests", "Discord knows no guests"),
        (SERVER, "discord:12/role:41", "is of another workspace"),
        ("slack:T1", "role:41", "names nothing on Slack"),
        ("slack:T1", "slack:T2/C1", "is of another workspace"),
        ("slack:T1", "everybody", "names nothing on Slack"),
    ],
)
def test_what_names_nothing_there_is_said_at_its_field(
    tenant: str, written: str, says: str
) -> None:
    with pytest.raises(FormError) as caught:
        preferences_of({"denied": [written]}, Preferences(), tenant)

    assert says in caught.value.sentences["denied"]


def test_an_access_form_is_of_a_server_alone() -> None:
    assert SettingsPage.ACCESS not in OF_CHANNELS
    assert {*OF_CHANNELS, SettingsPage.ACCESS} == set(SettingsPage)


@pytest.mark.parametrize("page", SettingsPage)
def test_a_form_keeps_within_what_discord_shows(page: SettingsPage) -> None:
    fields = fields_of(page, FULL)

    assert len(fields) <= 5
    assert all(len(field.label) <= 45 and len(field.hint) <= 100 for field in fields)
    assert all(len(field.choices) <= 25 for field in fields)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"language": ["klingonese"]}, NO_LANGUAGE),
        ({"retention_hours": ["soon"]}, NO_HOURS),
        ({"retention_hours": ["-1"]}, "more than 0"),
        ({"user_quota-messages": ["many"]}, NO_LIMIT),
        ({"user_quota-tokens": ["-1"]}, "0 or more"),
        ({"quiet_hours": ["at night"]}, "22:00-07:00"),
        ({"quiet_hours": ["22:00-07:00 Mars/Base"]}, "no time zone"),
    ],
)
def test_what_cannot_be_read_is_said(values: Values, sentence: str) -> None:
    with pytest.raises(FormError, match=sentence.replace("(", r"\(")):
        preferences_of(values, Preferences())


def test_all_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(FormError) as caught:
        preferences_of({"language": ["?"], "retention_hours": ["?"]}, Preferences())

    assert str(caught.value) == f"{NO_LANGUAGE} {NO_HOURS}"


def test_nothing_switched_off_is_not_the_same_as_nothing_chosen() -> None:
    off = preferences_of({"tasks_off": [NOTHING]}, Preferences())

    assert off.tasks_off == frozenset()
    assert preferences_of({"tasks_off": []}, off).tasks_off is None


def test_roles_get_a_quota_and_lose_it_again() -> None:
    given = {"roles": ["11", "12"], "role_quota-messages": ["5"], "role_quota-tokens": [""]}
    one = preferences_of(given, Preferences(role_quotas={"10": Quota(1)}))
    emptied = {"roles": ["10", "12"], "role_quota-messages": [], "role_quota-tokens": []}

    assert one.role_quotas == {"10": Quota(1), "11": Quota(5), "12": Quota(5)}
    assert preferences_of(emptied, one).role_quotas == {"11": Quota(5)}
    assert "- Quota of each person who has a role: <@&11>: 5 messages" in settings_text(
        Preferences(), Preferences(role_quotas={"11": Quota(5)})
    )


def test_more_roles_than_are_kept_are_refused() -> None:
    given = {"roles": [str(number) for number in range(MAX_ROLES + 1)]}

    with pytest.raises(FormError, match="50 roles"):
        preferences_of({**given, "role_quota-messages": ["5"]}, Preferences())


def test_settings_are_shown_for_the_channel_and_the_server() -> None:
    text = settings_text(Preferences(), FULL)

    assert "- Answer: Questions and mentions" in text
    assert "- Thinking before an answer: Off" in text
    assert "- Quiet hours: 22:00-07:00 Europe/Berlin" in text
    assert text.endswith("**The whole server**\n- As whoever runs me has set it.")
