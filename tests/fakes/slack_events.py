"""How the fake Slack words things: messages, events, slash commands and interactive payloads.

Pure functions from stored state to JSON, used by the Web API, by the deliveries and by the
driving methods. Shapes follow docs.slack.dev/reference/events and .../interactivity.
"""

from tests.fakes.slack_settings import Json, Settings
from tests.fakes.slack_store import Channel, Message, Pin, Store, User

VERIFICATION_TOKEN = "fake-verification-token"


def message_json(store: Store, message: Message, *, is_with_metadata: bool = False) -> Json:
    """Return a message as the Web API and the events show it."""
    settings = store.settings
    shown: Json = {"type": "message", "ts": message.ts, "text": message.text}
    author = store.users.get(message.user or "")
    home = (author.team if author else "") or store.team_of(message.channel)
    shown["team"] = home
    if home != store.team_of(message.channel):
        # docs.slack.dev/apis/slack-connect: events of people of other organisations
        shown |= {"user_team": home, "source_team": home}
    optional = {
        "user": message.user,
        "subtype": message.subtype,
        "thread_ts": message.thread_ts,
        "bot_id": message.bot_id,
        "blocks": message.blocks,
        "attachments": message.attachments,
        "files": message.files,
        "metadata": message.metadata if is_with_metadata else None,
    }
    shown.update({name: value for name, value in optional.items() if value})
    if message.bot_id == settings.bot_id:
        shown["app_id"] = settings.app_id
        shown["bot_profile"] = {
            "id": settings.bot_id,
            "app_id": settings.app_id,
            "name": settings.bot_name,
            "team_id": settings.team_id,
        }
    if message.edits and message.stream is None:
        shown["edited"] = {"user": message.edited_by, "ts": message.ts}
    if message.reactions:
        shown["reactions"] = [
            {"name": name, "users": users, "count": len(users)}
            for name, users in message.reactions.items()
        ]
    return shown | _thread_facts(store, message)


def _thread_facts(store: Store, message: Message) -> Json:
    replies = [] if message.is_reply else store.thread(message.channel, message.ts)
    if not replies:
        return {}
    return {
        "thread_ts": message.ts,
        "reply_count": len(replies),
        "reply_users": sorted({r.user for r in replies if r.user}),
        "latest_reply": replies[-1].ts,
    }


def message_event(store: Store, message: Message) -> Json:
    """Return the `message` event of a new message."""
    channel = store.channel(message.channel)
    return message_json(store, message) | {
        "channel": channel.id,
        "channel_type": channel.kind,
        "event_ts": message.ts,
    }


def app_mention_event(store: Store, message: Message) -> Json:
    """Return the `app_mention` twin of a message: same ts, no files, no channel type."""
    event = message_event(store, message) | {"type": "app_mention"}
    for absent in ("files", "channel_type", "subtype"):
        event.pop(absent, None)
    return event


def changed_event(store: Store, message: Message, before: Json) -> Json:
    """Return the `message_changed` event; `before` is the message's earlier JSON."""
    return _hidden_event(store, message, "message_changed") | {
        "message": message_json(store, message),
        "previous_message": before,
    }


def deleted_event(store: Store, message: Message, before: Json) -> Json:
    """Return the `message_deleted` event."""
    return _hidden_event(store, message, "message_deleted") | {
        "deleted_ts": message.ts,
        "previous_message": before,
    }


def _hidden_event(store: Store, message: Message, subtype: str) -> Json:
    ts = store.next_ts()
    return {
        "type": "message",
        "subtype": subtype,
        "hidden": True,
        "channel": message.channel,
        "channel_type": store.channel(message.channel).kind,
        "ts": ts,
        "event_ts": ts,
    }


def reaction_event(store: Store, message: Message, user: str, name: str, *, is_added: bool) -> Json:
    """Return `reaction_added` or `reaction_removed`."""
    return {
        "type": "reaction_added" if is_added else "reaction_removed",
        "user": user,
        "reaction": name,
        "item_user": message.user,
        "item": {"type": "message", "channel": message.channel, "ts": message.ts},
        "event_ts": store.next_ts(),
    }


def permalink(store: Store, message: Message) -> str:
    """Return where people find a message."""
    place = f"https://{store.settings.team_domain}.slack.com/archives/{message.channel}"
    address = f"{place}/p{message.ts.replace('.', '')}"
    if message.is_reply:
        return f"{address}?thread_ts={message.thread_ts}&cid={message.channel}"
    return address


def pin_item(store: Store, pin: Pin, message: Message) -> Json:
    """Return a pinned message as `pins.list` and the events show it."""
    shown = message_json(store, message) | {"permalink": permalink(store, message)}
    return {
        "type": "message",
        "channel": pin.channel,
        "created": pin.created_s,
        "created_by": pin.user,
        "message": shown,
    }


def pin_event(store: Store, pin: Pin, message: Message, user: str, *, is_added: bool) -> Json:
    """Return `pin_added` or `pin_removed`."""
    return {
        "type": "pin_added" if is_added else "pin_removed",
        "user": user,
        "channel_id": pin.channel,
        "item": pin_item(store, pin, message),
        "event_ts": store.next_ts(),
    }


def event_callback(store: Store, event: Json) -> Json:
    """Return the outer envelope, with an event id of its own, in which `event` travels."""
    settings = store.settings
    event_ts = str(event.get("event_ts") or store.next_ts())
    item = event.get("item") or {}
    team = store.team_of(str(event.get("channel") or item.get("channel") or ""))
    return {
        "token": VERIFICATION_TOKEN,
        "team_id": team,
        "context_team_id": team,
        "api_app_id": settings.app_id,
        "event": event,
        "type": "event_callback",
        "event_id": store.next_id("Ev"),
        "event_time": int(float(event_ts)),
        "authorizations": [
            {
                "enterprise_id": None,
                "team_id": team,
                "user_id": settings.bot_user_id,
                "is_bot": True,
                "is_enterprise_install": False,
            }
        ],
        "is_ext_shared_channel": False,
        "event_context": store.next_id("4-"),
    }


def slash_payload(store: Store, channel: Channel, user: User, command: str, text: str) -> Json:
    """Return the form fields of a slash command, without its `response_url`."""
    settings = store.settings
    return {
        "token": VERIFICATION_TOKEN,
        "team_id": store.team_of(channel.id),
        "team_domain": settings.team_domain,
        "channel_id": channel.id,
        "channel_name": "directmessage" if channel.is_im else channel.name,
        "user_id": user.id,
        "user_name": user.name,
        "command": command,
        "text": text,
        "api_app_id": settings.app_id,
        "is_enterprise_install": "false",
        "trigger_id": store.issue_trigger(user.id),
    }


def button_payload(store: Store, message: Message, user: User, action: Json) -> Json:
    """Return a `block_actions` payload for one pressed element of a message."""
    return _message_interaction(store, message, user) | {
        "type": "block_actions",
        "container": {
            "type": "message",
            "message_ts": message.ts,
            "channel_id": message.channel,
            "is_ephemeral": message.is_ephemeral_for is not None,
        },
        "state": {"values": {}},
        "actions": [action | {"action_ts": store.next_ts()}],
    }


def message_shortcut_payload(store: Store, message: Message, user: User, callback_id: str) -> Json:
    """Return the `message_action` payload of a shortcut used on a message."""
    return _message_interaction(store, message, user) | {
        "type": "message_action",
        "callback_id": callback_id,
        "message_ts": message.ts,
        "action_ts": store.next_ts(),
    }


def global_shortcut_payload(store: Store, user: User, callback_id: str) -> Json:
    """Return the payload of a shortcut used outside any message."""
    return interaction(store, user) | {
        "type": "shortcut",
        "callback_id": callback_id,
        "action_ts": store.next_ts(),
    }


def interaction(store: Store, user: User) -> Json:
    """Return what every interactive payload has, for a payload written by hand."""
    settings: Settings = store.settings
    return {
        "token": VERIFICATION_TOKEN,
        "api_app_id": settings.app_id,
        "team": {"id": settings.team_id, "domain": settings.team_domain},
        "enterprise": None,
        "is_enterprise_install": False,
        "user": {
            "id": user.id,
            "username": user.name,
            "name": user.name,
            "team_id": user.team or settings.team_id,
        },
        "trigger_id": store.issue_trigger(user.id),
    }


def _message_interaction(store: Store, message: Message, user: User) -> Json:
    channel = store.channel(message.channel)
    return interaction(store, user) | {
        "channel": {"id": channel.id, "name": channel.name},
        "message": message_json(store, message),
    }
