"""The bots' checks, where no platform answers."""

import pytest

from bots import doctor, doctor_access
from shared.access import AccessLists, parse_names
from shared.settings import Settings, read_settings
from tests.fakes.odd_server import NO_API, http, odd_server

PLATFORMS = ("SLACK", "DISCORD")
SLACK = {"SLACK_BOT_TOKEN": "xoxb-1", "SLACK_APP_TOKEN": "xapp-1"}
INSTALLED = {
    "SLACK_APP_TOKEN": "xapp-1",
    "PARLEY_SLACK_CLIENT_ID": "1.2",
    "PARLEY_SLACK_CLIENT_SECRET": "s",
    "PARLEY_SECRET_KEY": "k",
}
DISCORD = {"DISCORD_TOKEN": "d"}


@pytest.mark.parametrize(
    ("words", "passed", "said"),
    [
        (SLACK, None, "open: everybody in the workspace may ask; PARLEY_ALLOWED narrows it"),
        (DISCORD, None, "open: everybody in any server that adds the bot may ask"),
        ({**INSTALLED, **DISCORD}, None, "any workspace that installs the app and in any server"),
        (
            {**SLACK, "PARLEY_DENIED": "slack:*/guests"},
            None,
            "everybody in the workspace may ask but slack:*/guests;",
        ),
        ({**SLACK, "PARLEY_ALLOWED": "slack:T1, slack:T2"}, True, "2 names allowed, 0 denied"),
        (
            {**SLACK, "PARLEY_ALLOWED": "slack:T1/U1", "PARLEY_DENIED": "slack:T1/U1"},
            None,
            "slack:T1/U1 is allowed and denied: denied goes before allowed",
        ),
    ],
)
async def test_who_may_ask_is_said(
    words: dict[str, str], *, passed: bool | None, said: str
) -> None:
    settings = read_settings(words, None)

    checks = doctor_access.check_open(settings, await doctor_access.lists_of(settings))

    assert (checks[0].passed, said in checks[0].finding) == (passed, True), checks


def test_lists_of_a_newer_parley_are_a_fault() -> None:
    unknown = AccessLists(parse_names("slack:T1"), is_known=False)

    (check,) = doctor_access.check_open(read_settings(SLACK, None), unknown)

    assert check.passed is False


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({}, "a person without limit, a channel without limit"),
        (
            {"PARLEY_QUOTA_USER_MESSAGES": "1200", "PARLEY_QUOTA_USER_TOKENS": "50000"},
            "a person 1,200 messages and 50,000 tokens a day, a channel without limit",
        ),
        ({"PARLEY_QUOTA_CHANNEL_TOKENS": "7"}, "a channel 7 tokens a day"),
    ],
)
async def test_quotas_are_said(
    capsys: pytest.CaptureFixture[str], words: dict[str, str], said: str
) -> None:
    await doctor.report(Settings.model_validate(words))

    assert said in capsys.readouterr().out


@pytest.mark.parametrize(
    "settings",
    [
        {"SLACK_BOT_TOKEN": "xoxb-1", "SLACK_APP_TOKEN": "xapp-1"},
        {"DISCORD_TOKEN": "x" * 30},
        {"SLACK_BOT_TOKEN": "xoxb-1", "SLACK_APP_TOKEN": "xapp-1", "DISCORD_TOKEN": "x" * 30},
    ],
)
async def test_doctor_ends_as_bots_do_where_something_else_answers(
    capsys: pytest.CaptureFixture[str], settings: dict[str, str]
) -> None:
    with odd_server(NO_API["a page"]) as port:
        urls = {f"PARLEY_{name}_API_URL": f"http://127.0.0.1:{port}" for name in PLATFORMS}
        code = await doctor.report(Settings.model_validate({**settings, **urls}))

    assert code == 75
    assert "FAIL" in capsys.readouterr().out


async def test_doctor_ends_with_1_where_a_fault_is_not_a_platforms_absence(
    capsys: pytest.CaptureFixture[str],
) -> None:
    refusal = http("200 OK", "application/json", '{"ok": false, "error": "invalid_auth"}')
    with odd_server(refusal) as port:
        url = f"http://127.0.0.1:{port}/api/"
        settings = {"SLACK_BOT_TOKEN": "xoxb-1", "SLACK_APP_TOKEN": "xapp-1"}
        code = await doctor.report(
            Settings.model_validate({**settings, "PARLEY_SLACK_API_URL": url})
        )

    assert code == 1
    assert "Slack refuses SLACK_BOT_TOKEN" in capsys.readouterr().out
