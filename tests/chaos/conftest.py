"""The fake platforms, as the end-to-end tests have them, and as tests of the way out see them."""

from collections.abc import AsyncIterator, Iterator

import pytest

from shared.jobs import Platform
from tests.chaos.towns import Town, town_of
from tests.chaos.way_out import Scribe, scribe_at
from tests.e2e.conftest import discord_server, discord_settings, slack, slack_settings

__all__ = ["discord_server", "discord_settings", "slack", "slack_settings"]


@pytest.fixture
def scribe(quiet_redis: str) -> Iterator[Scribe]:
    """Does in the ledger what a worker would, on a Redis that no worker listens to."""
    with scribe_at(quiet_redis) as found:
        yield found


@pytest.fixture(params=[Platform.SLACK, Platform.DISCORD])
async def town(request: pytest.FixtureRequest, quiet_redis: str) -> AsyncIterator[Town]:
    """Each platform in turn; its bots end before it is seen who is left on Redis."""
    del quiet_redis
    async with town_of(request.param) as found:
        yield found
