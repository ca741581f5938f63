"""The bots' checks that ask no platform."""

import pytest

from bots import doctor
from shared.settings import Settings


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
