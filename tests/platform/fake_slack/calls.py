"""What the tests say to the fake Slack, and how they read its refusals."""

from collections.abc import Awaitable
from typing import Any

import pytest
from slack_sdk.errors import SlackApiError

MENTION = "<@U0PARLEY> hello"


async def error_of(call: Awaitable[Any]) -> str:
    """Return the code with which Slack refuses a call."""
    with pytest.raises(SlackApiError) as refusal:
        await call
    return str(refusal.value.response["error"])
