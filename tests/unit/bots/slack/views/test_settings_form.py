"""A form of settings: what it shows of preferences, and what it makes of them."""

import json
from datetime import time
from typing import Any

import pytest

from bots.incoming.preference_form import NO_HOURS, NO_LANGUAGE, NO_LIMIT, FormError
from bots.slack.views.settings import (
    SettingsSubmission,
    preferences_of,
    read_submission,
    settings_view,
    values_of,
)
from shared.jobs import Effort, Kind
from shared.preferences import (
    Preferences,
    QuietHours,
    Quota,
    ReplyPlace,
    Stored,
    WhenToSpeak,
)

FULL = Preferences(
    when_to_speak=WhenToSpeak.QUESTIONS,
    model="gemma-3-270m-it",
    thinking=Effort.OFF,
    reply_place=ReplyPlace.CHANNEL,
    system_prompt="Be brief.",
    language="fr",
    retention_hours=12.5,
    tasks_off=frozenset({Kind.REPORT, Kind.LEARN}),
    quiet_hours=QuietHours(time(22), time(7), "Europe/Berlin"),
    user_quota=Quota(20, 0),
    channel_quota=Quota(None, 5_000),
    role_quotas={"S1": Quota(100)},
)


def state_of(view: dict[str, Any]) -> dict[str, Any]:
    """What Slack sends of a form that nobody has touched."""
    values: dict[str, Any] = {}
    for block in view["blocks"]:
        element = block.get("element")
        if element is None:
            continue
        if element["type"] == "multi_static_select":
            value: dict[str, Any] = {"selected_options": element.get("initial_options", [])}
        elif element["type"] == "static_select":
            value = {"selected_option": element.get("initial_option")}
        else:
            value = {"value": element.get("initial_value")}
        values[block["block_id"]] = {element["action_id"]: {"type": element["type"], **value}}
    return {**view, "state": {"values": values}}


def submitted(view: dict[str, Any]) -> SettingsSubmission:
    found = read_submission({"view": state_of(view), "user": {"id": "U1"}})
    assert found is not None
    return found


def form(**values: object) -> SettingsSubmission:
    return SettingsSubmission("U1", "C1", 0, values)


@pytest.mark.parametrize("preferences", [Preferences(), FULL, Preferences(tasks_off=frozenset())])
@pytest.mark.parametrize("channel", ["", "C1"])
def test_a_form_that_nobody_has_touched_changes_nothing(
    preferences: Preferences, channel: str
) -> None:
    view = settings_view(channel, Stored(preferences, 7), may_edit_workspace=True)

    sent = submitted(view)

    assert (sent.user, sent.channel, sent.version) == ("U1", channel, 7)
    assert preferences_of(sent, preferences) == preferences


def test_an_empty_field_leaves_it_to_the_layer_below() -> None:
    after = preferences_of(form(), FULL)

    assert after == Preferences(role_quotas=FULL.role_quotas), "which the form does not ask for"


def test_a_prompt_that_is_longer_than_a_form_is_kept_unless_it_is_changed() -> None:
    long = Preferences(system_prompt="x" * 3_500)
    view = settings_view("C1", Stored(long), may_edit_workspace=False)

    assert preferences_of(submitted(view), long) == long
    assert preferences_of(form(system_prompt="Be kind."), long).system_prompt == "Be kind."


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("language", "Klingonish", NO_LANGUAGE),
        ("retention_hours", "0", "remembered for more than 0"),
        ("retention_hours", "soon", NO_HOURS),
        ("quiet_hours", "at night", "Quiet hours are written such as"),
        ("quiet_hours", "22:00-07:00 Mars", "no time zone"),
        ("user_quota-messages", "many", NO_LIMIT),
        ("channel_quota-tokens", "-1", "0 or more"),
    ],
)
def test_a_field_that_cannot_be_read_is_named_with_its_reason(
    field: str, value: str, sentence: str
) -> None:
    with pytest.raises(FormError) as refused:
        preferences_of(form(**{field: value}), Preferences())

    assert list(refused.value.sentences) == [field]
    assert sentence in refused.value.sentences[field]


@pytest.mark.parametrize("metadata", ["", "7", "{}", "[]", json.dumps({"channel": "C1"})])
def test_a_form_whose_origin_is_lost_is_none(metadata: str) -> None:
    view = settings_view("C1", Stored(), may_edit_workspace=False)

    sent = {"view": {**view, "private_metadata": metadata}, "user": {"id": "U1"}}

    assert read_submission(sent) is None


@pytest.mark.parametrize(
    "state",
    [None, 7, {}, {"values": None}, {"values": {"a": 7}}, {"values": {"a": {"b": 7}}}],
)
def test_odd_values_are_none_at_all(state: object) -> None:
    assert [value for value in values_of({"state": state}).values() if value is not None] == []
