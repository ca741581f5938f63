"""Parses Slack's events into ``Incoming``; knows Slack's field names and nothing of its client.

One mention arrives as two events, ``app_mention`` and ``message``, with the same timestamp: both
become the same Incoming, so the ledger sees one message.
"""
# Pure. Uses babel.

from dataclasses import dataclass
from enum import StrEnum

from bots.access.request import AccessHints
from bots.incoming.intake import Incoming
from bots.incoming.policy import Situation
from bots.slack.parse.payloads import CHANGED, Json, is_timestamp, read_body
from bots.slack.parse.text import Identity, all_mentioned_in, plain_text
from shared.jobs import Origin, Platform

PERSONS_SUBTYPES = frozenset({None, "file_share", "thread_broadcast"})
"""Subtypes that a person's own message may have; all others are edits, notices or bots."""
DELETED = "message_deleted"


class EventType(StrEnum):
    """The types of events that are handled."""

    MESSAGE = "message"
    MENTION = "app_mention"
    REACTION_ADDED = "reaction_added"
    PIN_ADDED = "pin_added"
    PIN_REMOVED = "pin_removed"
    HOME_OPENED = "app_home_opened"
    SESSION_STOPPED = "agent_session_stopped"
    """A person pressed Slack's own Stop."""
    UNINSTALLED = "app_uninstalled"
    TOKENS_REVOKED = "tokens_revoked"


MESSAGE_TYPES = frozenset({EventType.MESSAGE, EventType.MENTION})


@dataclass(frozen=True, slots=True)
class EventName:
    """The identity of an event, and of the message that it reports."""

    id: str
    """The same in each copy of it."""
    message: str = ""
    """The same in both events that report a mention; empty if it reports no new message."""
    is_mention: bool = False
    """Whether it is the one of the two that leaves the message's files out."""


def name_of(body: Json) -> EventName:
    """The name of an event."""
    event: Json = body.get("event", {})
    is_new = event.get("type") in MESSAGE_TYPES and event.get("subtype") not in {CHANGED, DELETED}
    channel, ts = event.get("channel"), event.get("ts")
    message = f"{team_named_in(body)} {channel} {ts}" if is_new and channel and ts else ""
    is_mention = message != "" and event.get("type") == EventType.MENTION
    return EventName(str(body.get("event_id")), message, is_mention)


def is_persons_event(body: Json) -> bool:
    """Whether an event is a message that a person has just written."""
    event: Json = body.get("event", {})
    is_message = event.get("type") in MESSAGE_TYPES
    return is_message and event.get("subtype") in PERSONS_SUBTYPES and bool(event.get("user"))


def deleted_origin(body: Json, me: Identity) -> Origin | None:
    """The origin of a deleted message; None for another event."""
    event: Json = body.get("event", {})
    channel, deleted = event.get("channel"), event.get("deleted_ts")
    if event.get("subtype") != DELETED or not channel or not deleted:
        return None
    return Origin(Platform.SLACK, team_of(body, me), str(channel), "", str(deleted), "")


def edited(body: Json) -> tuple[Json, float] | None:
    """An edited message in the form of a new one's event, and when it was edited.

    None for another event. Slack also sends a change when it unfurls a link.
    """
    event: Json = body.get("event", {})
    now, before = event.get("message"), event.get("previous_message")
    if not now or not before or not is_timestamp(event.get("ts")):
        return None
    if now.get("text", "") == before["text"]:
        return None
    place = {name: event[name] for name in ("channel", "channel_type") if name in event}
    return {**body, "event": {**now, **place}}, float(event["ts"])


def is_farewell(body: Json) -> bool:
    """Whether a workspace removed us."""
    event: Json = body.get("event", {})
    is_revoked = event.get("type") == EventType.TOKENS_REVOKED and bool(event.get("is_bot_revoked"))
    return event.get("type") == EventType.UNINSTALLED or is_revoked


def team_of(body: Json, me: Identity) -> str:
    """The workspace that an event happened in."""
    return team_named_in(body) or me.team_id


def team_named_in(body: Json) -> str:
    """The workspace that an event names; empty if it names none."""
    # event.team may be absent from one of a mention's two events; the envelope has it always.
    return str(body.get("team_id") or body.get("event", {}).get("team") or "")


def origin_of(body: Json, me: Identity) -> Origin | None:
    """The origin of an event's message; None if it is not a message."""
    event: Json = body.get("event", {})
    channel, ts = event.get("channel"), event.get("ts")
    if not channel or not is_timestamp(ts):
        return None
    is_direct = is_direct_message(event)
    return Origin(
        platform=Platform.SLACK,
        team=team_of(body, me),
        channel=str(channel),
        # A direct message is one conversation; elsewhere every message begins a thread of its own.
        thread=str(event.get("thread_ts") or ("" if is_direct else ts)),
        message=str(ts),
        user=str(event.get("user", "")),
    )


def history_body(message: Json, channel: str, me: Identity, *, is_direct: bool) -> Json | None:
    """A message of a channel's history in the form of the event that reported it."""
    place = {"channel": channel, "channel_type": "im" if is_direct else "channel"}
    return read_body({"team_id": me.team_id, "event": {**message, **place}})


def is_direct_message(event: Json) -> bool:
    """Whether an event happened in a direct message to us."""
    return event.get("channel_type") == "im" or str(event.get("channel", "")).startswith("D")


def to_incoming(body: Json, origin: Origin, me: Identity) -> Incoming:
    """The message event in the form that all platforms share."""
    event: Json = body["event"]
    text = str(event.get("text") or "")
    mentioned = all_mentioned_in(text)
    situation = Situation(
        is_from_person=is_from_person(event, me),
        is_direct=is_direct_message(event),
        mentions_us=me.user_id in mentioned or event.get("type") == EventType.MENTION,
        mentions_others=bool(mentioned - {me.user_id}),
    )
    return Incoming(
        origin,
        plain_text(text, me),
        situation,
        # A history shows the message that began a thread as one of the thread.
        in_thread=event.get("thread_ts") not in {None, origin.message},
        written_at_s=float(origin.message),
        bot=origin.user if event.get("bot_id") and origin.user != me.user_id else "",
        hints=AccessHints(home=home_of(event)),
    )


def home_of(event: Json) -> str:
    """The workspace of an event's author, who may be of another organisation; empty if not said."""
    return str(event.get("user_team") or event.get("source_team") or event.get("team") or "")


def is_from_person(event: Json, me: Identity) -> bool:
    """Whether a person wrote it: not us, another bot, an edit or a notice."""
    user = event.get("user")
    is_persons = event.get("subtype") in PERSONS_SUBTYPES and not event.get("bot_id")
    return bool(user) and user != me.user_id and is_persons
