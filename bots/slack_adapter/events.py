"""What Slack sends, as an ``Incoming``. Pure; knows Slack's field names and nothing of its client.

One mention arrives as two events, ``app_mention`` and ``message``, with the same timestamp: both
become the same Incoming, so the ledger sees one message.
"""

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bots.intake import Incoming
from bots.policy import Situation
from shared.jobs import Origin, Platform

PERSONS_SUBTYPES = frozenset({None, "file_share", "thread_broadcast"})
"""Subtypes that a person's own message may have; all others are edits, notices or bots."""
USER_MENTION = re.compile(r"<@([A-Z0-9]+)(?:\|([^>]*))?>")
CHANNEL_OR_GROUP = re.compile(r"<(?:#|!subteam\^)[A-Z0-9]+\|([^>]*)>")
BROADCAST = re.compile(r"<!(channel|here|everyone)(?:\|[^>]*)?>")
LINK = re.compile(r"<((?:https?|mailto):[^|>]+)(?:\|([^>]*))?>")

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Identity:
    """Who we are in this workspace."""

    user_id: str
    team_id: str


def origin_of(body: Json, me: Identity) -> Origin | None:
    """Where an event's message came from; None if it is no message."""
    event: Json = body.get("event", {})
    channel, ts = event.get("channel"), event.get("ts")
    if not isinstance(channel, str) or not isinstance(ts, str):
        return None
    is_direct = is_direct_message(event)
    return Origin(
        platform=Platform.SLACK,
        # event.team may be absent from one of a mention's two events; the envelope has it always.
        team=str(body.get("team_id") or event.get("team") or me.team_id),
        channel=channel,
        # A direct message is one conversation; elsewhere every message begins a thread of its own.
        thread=str(event.get("thread_ts") or ("" if is_direct else ts)),
        message=ts,
        user=str(event.get("user", "")),
    )


def is_direct_message(event: Json) -> bool:
    """Whether an event happened in a direct message to us."""
    return event.get("channel_type") == "im" or str(event.get("channel", "")).startswith("D")


def is_in_thread(body: Json) -> bool:
    """Whether a message is a reply in a thread, where we may take part already."""
    return bool(body.get("event", {}).get("thread_ts"))


def to_incoming(
    body: Json, origin: Origin, me: Identity, *, takes_part: bool, is_auto_reply: bool
) -> Incoming:
    """Describe a message event in words that every platform shares."""
    event: Json = body["event"]
    text = str(event.get("text") or "")
    mentioned = {found[1] for found in USER_MENTION.finditer(text)}
    situation = Situation(
        is_from_person=is_from_person(event, me),
        is_direct=is_direct_message(event),
        mentions_us=me.user_id in mentioned or event.get("type") == "app_mention",
        mentions_others=bool(mentioned - {me.user_id}),
        is_follow_up=takes_part,
        is_auto_reply=is_auto_reply,
    )
    return Incoming(origin, plain_text(text, me), situation)


def is_from_person(event: Json, me: Identity) -> bool:
    """Whether a person wrote it: not we, no other bot, no edit and no notice."""
    user = event.get("user")
    is_persons = event.get("subtype") in PERSONS_SUBTYPES and not event.get("bot_id")
    return bool(user) and user != me.user_id and is_persons


def plain_text(text: str, me: Identity) -> str:
    """A message's text without Slack's markup: our mention goes, others become names."""

    def name(found: re.Match[str]) -> str:
        return "" if found[1] == me.user_id else f"@{found[2] or found[1]}"

    text = USER_MENTION.sub(name, text)
    text = CHANNEL_OR_GROUP.sub(lambda found: found[1], text)
    text = BROADCAST.sub(lambda found: f"@{found[1]}", text)
    text = LINK.sub(lambda found: f"{found[2]} ({found[1]})" if found[2] else found[1], text)
    return html.unescape(text).strip()
