"""What earlier versions left in Redis and on the platforms, put back for today's processes.

``tests/kept/VERSION`` holds what a real run of that version left: ``accepted.json`` the Redis after
the bots had recorded questions that no worker had answered, ``answered.json`` the same Redis after
a worker had answered them and no bots had shown it, ``platforms.json`` what stood in the channels.
"""

import base64
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import redis

from tests.fakes.discord_model import Message as DiscordMessage
from tests.fakes.discord_model import MessageKind
from tests.fakes.discord_server import FakeDiscord
from tests.fakes.slack_server import FakeSlack
from tests.fakes.slack_store import Channel, Message, View

FOLDER = Path(__file__).parent / "kept"
VERSIONS = ("9732b2e",)
"""Commits whose data is kept, each with a folder of its own."""
TIME = re.compile(r"(?P<ms>1\d{12})(?P<rest>-\d+|\.0)?")
"""A time in ms since 1970, perhaps as the id of a stream's entry."""
NEAR_MS = 2 * 24 * 3600 * 1000
NEWS_FROM_S = 1_700_100_000
"""What is said on Slack from now on is later than what was kept, which begins at 1,700,000,000."""
NEW_IDS_FROM = 1_000
"""Above all that the fake Slack had given away when the data was kept."""
Json = dict[str, Any]


def read(version: str, name: str) -> Json:
    """One of a version's files."""
    content: Json = json.loads((FOLDER / version / name).read_text(encoding="utf-8"))
    return content


def restore_redis(client: redis.Redis, kept: Mapping[str, Any]) -> None:
    """Put every key back, as if its file had been written now.

    A number within two days of when the keys were read is a time in ms, and as long ago afterwards
    as it was then: jobs have deadlines, and Redis has its own clock.
    """
    seconds, micros = client.time()
    restorer = _Restorer(client, kept["taken_at_ms"], seconds * 1000 + micros // 1000)
    for name, key in kept["keys"].items():
        restorer.restore(name, key["type"], key["value"])
        if key["lives_ms"]:
            client.pexpire(name, key["lives_ms"])


class _Restorer:
    """Writes kept keys, with their times moved."""

    def __init__(self, client: redis.Redis, taken_at_ms: int, now_ms: int) -> None:
        self._client: Any = client
        self._taken_at_ms = taken_at_ms
        self._later_ms = now_ms - taken_at_ms

    def restore(self, name: str, kind: str, value: Any) -> None:  # noqa: ANN401 - as kept
        """Write one key."""
        client = self._client
        match kind:
            case "string":
                client.set(name, self._raw(value))
            case "list":
                client.rpush(name, *map(self._raw, value))
            case "set":
                client.sadd(name, *map(self._raw, value))
            case "zset":
                client.zadd(name, {self._raw(item): self._moved(score) for item, score in value})
            case "hash":
                client.hset(name, mapping=self._fields(value))
            case "stream":
                for entry, fields in value["entries"]:
                    client.xadd(name, self._fields(fields), id=self._raw(entry))
                for group, last in value["groups"]:
                    client.xgroup_create(name, group, id=self._raw(last), mkstream=True)
            case _:  # of a module of Redis, as it dumped it
                client.restore(name, 0, base64.b64decode(value["base64"]))

    def _fields(self, fields: Mapping[str, Any]) -> dict[str, bytes]:
        return {name: self._raw(value) for name, value in fields.items()}

    def _raw(self, value: str | Mapping[str, str]) -> bytes:
        """A value's bytes."""
        if not isinstance(value, str):
            return base64.b64decode(value["base64"])
        found = TIME.fullmatch(value)
        if not found:
            return value.encode()
        return f"{self._moved(int(found['ms']))}{found['rest'] or ''}".encode()

    def _moved(self, number: float) -> float:
        is_time = abs(number - self._taken_at_ms) < NEAR_MS
        return number + self._later_ms if is_time else number


def restore_slack(slack: FakeSlack, kept: Mapping[str, Any]) -> None:
    """Put channels, messages and views back; what is said from now on is later."""
    store = slack._store
    for channel in kept["channels"]:
        slack._store.add_channel(Channel(**{**channel, "members": set(channel["members"])}))
    for message in kept["messages"]:
        store.add_message(Message(**message))
    store.views.extend(View(**view) for view in kept["views"])
    store._num_ids = NEW_IDS_FROM


def restore_discord(discord: FakeDiscord, kept: Mapping[str, Any]) -> None:
    """Put messages back, without what they answered to; their channels have to be there."""
    for message in kept["messages"]:
        changed = {"kind": MessageKind(message["kind"]), "interaction_id": None}
        discord.world._store(DiscordMessage(**{**message, **changed}))
