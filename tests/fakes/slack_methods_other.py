"""The Web API methods that read conversations and users, and those that set status and views.

`METHODS` is the whole list of what the fake Slack answers, but for apps.connections.open, which
belongs to Socket Mode.
"""

import base64
import binascii
from collections.abc import Callable
from decimal import Decimal, InvalidOperation

from tests.fakes import slack_events as events
from tests.fakes import slack_files as files
from tests.fakes import slack_installing as installing
from tests.fakes import slack_methods_chat as chat
from tests.fakes import slack_views as views
from tests.fakes.slack_calls import (
    ApiError,
    Call,
    member_channel,
    read_channel,
    read_message,
    writable_channel,
)
from tests.fakes.slack_settings import MAX_SESSION_TITLE_CHARS, SESSION_STATUSES, Json
from tests.fakes.slack_store import Channel, Message, Status, Store, ts_order

# docs.slack.dev/reference/methods/conversations.history: argument limit
_DEFAULT_PAGE, _MAX_PAGE = 100, 999


def auth_test(store: Store, call: Call) -> Json:
    """auth.test."""
    settings = store.settings
    team = store.tokens.get(call.token or "", settings.team_id)
    return {
        "url": f"https://{settings.team_domain}.slack.com/",
        "team": settings.team_domain,
        "user": settings.bot_name,
        "team_id": team,
        "user_id": settings.bot_user_id,
        "bot_id": settings.bot_id,
        "is_enterprise_install": False,
    }


def conversations_history(store: Store, call: Call) -> Json:
    """conversations.history: what stands in the channel itself, newest first."""
    channel = member_channel(store, call)
    found = [
        m for m in store.messages(channel.id) if _is_in_history(m) and _is_in_span(store, m, call)
    ]
    return _page(store, call, found[::-1])


def conversations_replies(store: Store, call: Call) -> Json:
    """conversations.replies: the message that began the thread, then its replies, oldest first."""
    channel = member_channel(store, call)
    root_ts = call.need("ts", "thread_not_found")
    root = store.find(channel.id, root_ts)
    replies = store.thread(channel.id, root_ts)
    if root is None and not replies:
        raise ApiError("thread_not_found")
    found = [m for m in replies if _is_in_span(store, m, call)]
    return _page(store, call, [root, *found] if root else found)


def _is_in_history(message: Message) -> bool:
    is_shown = not message.is_reply or message.subtype == "thread_broadcast"
    return is_shown and not message.deleted and not message.is_ephemeral_for


def _is_in_span(store: Store, message: Message, call: Call) -> bool:
    if store.settings.ignores_times:
        return True
    oldest = _read_ts(call, "oldest", "0")
    latest = _read_ts(call, "latest", "Infinity")
    ts = ts_order(message.ts)
    return oldest < ts < latest or (bool(call.flag("inclusive")) and ts in (oldest, latest))


def _read_ts(call: Call, name: str, default: str) -> Decimal:
    try:
        return ts_order(call.text(name) or default)
    except InvalidOperation:
        raise ApiError(f"invalid_ts_{name}") from None


def _page(store: Store, call: Call, found: list[Message]) -> Json:
    start = _read_cursor(call)
    end = start + call.count("limit", _DEFAULT_PAGE, _MAX_PAGE)
    is_with_metadata = bool(call.flag("include_all_metadata"))
    shown = [
        events.message_json(store, m, is_with_metadata=is_with_metadata) for m in found[start:end]
    ]
    answer: Json = {"messages": shown, "has_more": end < len(found)}
    if end < len(found):
        answer["response_metadata"] = {"next_cursor": _cursor(end)}
    return answer


def _cursor(start: int) -> str:
    return base64.b64encode(f"next:{start}".encode()).decode()


def _read_cursor(call: Call) -> int:
    cursor = call.text("cursor")
    if not cursor:
        return 0
    try:
        return int(base64.b64decode(cursor).decode().removeprefix("next:"))
    except (binascii.Error, ValueError):
        raise ApiError("invalid_cursor") from None


def conversations_info(store: Store, call: Call) -> Json:
    """conversations.info."""
    return {"channel": _channel_json(store, read_channel(store, call))}


def conversations_list(store: Store, call: Call) -> Json:
    """conversations.list and users.conversations, all on one page."""
    bot = store.settings.bot_user_id
    types = (call.text("types") or "public_channel").split(",")
    names = {"channel": "public_channel", "group": "private_channel", "mpim": "mpim", "im": "im"}
    is_mine = call.method == "users.conversations"
    channels = [
        _channel_json(store, channel)
        for channel in store.channels.values()
        if names[channel.kind] in types
        and (bot in channel.members or (channel.kind == "channel" and not is_mine))
        and not (channel.is_archived and call.flag("exclude_archived"))
    ]
    return {"channels": channels, "response_metadata": {"next_cursor": ""}}


def conversations_members(store: Store, call: Call) -> Json:
    """conversations.members, by pages."""
    members = sorted(read_channel(store, call).members)
    start = _read_cursor(call)
    end = start + call.count("limit", _DEFAULT_PAGE, _MAX_PAGE)
    cursor = _cursor(end) if end < len(members) else ""
    return {"members": members[start:end], "response_metadata": {"next_cursor": cursor}}


def _channel_json(store: Store, channel: Channel) -> Json:
    bot = store.settings.bot_user_id
    shown: Json = {
        "id": channel.id,
        "is_im": channel.is_im,
        "is_mpim": channel.is_mpim,
        "is_channel": channel.kind == "channel",
        "is_group": channel.kind == "group",
        "is_private": channel.kind != "channel",
        "is_archived": channel.is_archived,
        "is_member": bot in channel.members,
        "context_team_id": store.settings.team_id,
        "num_members": len(channel.members),
    }
    if channel.is_im:
        return shown | {"user": next(iter(sorted(channel.members - {bot})), bot)}
    names = {"name": channel.name, "name_normalized": channel.name}
    return shown | names | ({"creator": channel.creator} if channel.creator else {})


def conversations_open(store: Store, call: Call) -> Json:
    """conversations.open, by channel or by one or more users."""
    if call.text("channel"):
        channel = read_channel(store, call)
    else:
        channel = _open_with(store, call.need("users", "users_list_not_supplied").split(","))
    is_full = bool(call.flag("return_im"))
    return {"channel": _channel_json(store, channel) if is_full else {"id": channel.id}}


def _open_with(store: Store, users: list[str]) -> Channel:
    if any(user not in store.users for user in users):
        raise ApiError("user_not_found")
    if len(users) == 1:
        return store.open_im(users[0])
    members = {*users, store.settings.bot_user_id}
    name = "mpdm-" + "--".join(sorted(users))
    channel_id = "G" + "".join(sorted(users))
    return store.channels.get(channel_id) or store.add_channel(
        Channel(id=channel_id, name=name, members=members, is_mpim=True, is_private=True)
    )


def users_info(store: Store, call: Call) -> Json:
    """users.info."""
    user = store.users.get(call.text("user"))
    if user is None:
        raise ApiError("user_not_found")
    real_name = user.real_name or user.name
    profile = {"real_name": real_name, "display_name": user.name}
    shown = {
        "id": user.id,
        "team_id": user.team or store.tokens.get(call.token or "", store.settings.team_id),
        "is_restricted": user.is_restricted,
        "is_ultra_restricted": user.is_ultra_restricted,
        "name": user.name,
        "real_name": real_name,
        "deleted": False,
        "is_bot": user.is_bot,
        "is_admin": user.is_admin,
        "is_owner": False,
        "tz": user.tz,
        "profile": profile,
    }
    if call.flag("include_locale"):
        shown["locale"] = user.locale
    return {"user": shown}


def usergroups_users_list(store: Store, call: Call) -> Json:
    """usergroups.users.list."""
    found = store.usergroups.get(call.need("usergroup", "invalid_arguments"))
    if found is None:
        raise ApiError("no_such_subteam")
    return {"users": sorted(found)}


def get_permalink(store: Store, call: Call) -> Json:
    """chat.getPermalink."""
    channel = read_channel(store, call)
    message = read_message(store, call, channel, "message_ts")
    return {"channel": channel.id, "permalink": events.permalink(store, message)}


def pins_list(store: Store, call: Call) -> Json:
    """pins.list: the latest first."""
    channel = member_channel(store, call)
    pins = [pin for pin in store.pins.values() if pin.channel == channel.id]
    found = [(pin, store.find(pin.channel, pin.ts)) for pin in pins]
    items = [events.pin_item(store, pin, message) for pin, message in found if message]
    return {"items": items[::-1]}


def set_assistant_status(store: Store, call: Call) -> Json:
    """assistant.threads.setStatus; an empty status clears the slot."""
    channel = writable_channel(store, call, "channel_id")
    thread_ts = call.need("thread_ts")
    if not store.has_root(channel.id, thread_ts):
        raise ApiError("thread_not_found")
    status = Status(
        channel=channel.id,
        thread_ts=thread_ts,
        status=call.text("status"),
        method=call.method,
    )
    store.set_status(status)
    return {}


def set_session_status(store: Store, call: Call) -> Json:
    """agents.sessions.setStatus."""
    channel = writable_channel(store, call, "channel_id")
    title = call.text("title")
    if call.text("status") not in SESSION_STATUSES or len(title) > MAX_SESSION_TITLE_CHARS:
        raise ApiError("invalid_arguments")
    status = Status(
        channel=channel.id,
        thread_ts=call.text("thread_ts") or None,
        status=call.text("status"),
        method=call.method,
        title=title or None,
    )
    store.set_status(status)
    return {}


def accept_assistant_setting(store: Store, call: Call) -> Json:
    """assistant.threads.setSuggestedPrompts and setTitle: recorded with the request, no more."""
    writable_channel(store, call, "channel_id")
    return {}


METHODS: dict[str, Callable[[Store, Call], Json]] = {
    "agents.sessions.setStatus": set_session_status,
    "assistant.threads.setStatus": set_assistant_status,
    "assistant.threads.setSuggestedPrompts": accept_assistant_setting,
    "assistant.threads.setTitle": accept_assistant_setting,
    "auth.test": auth_test,
    "chat.appendStream": chat.append_stream,
    "chat.delete": chat.delete,
    "chat.getPermalink": get_permalink,
    "chat.postEphemeral": chat.post_ephemeral,
    "chat.postMessage": chat.post_message,
    "chat.startStream": chat.start_stream,
    "chat.stopStream": chat.stop_stream,
    "chat.update": chat.update,
    "conversations.history": conversations_history,
    "conversations.info": conversations_info,
    "conversations.list": conversations_list,
    "conversations.members": conversations_members,
    "conversations.open": conversations_open,
    "conversations.replies": conversations_replies,
    "files.completeUploadExternal": files.complete_upload,
    "files.getUploadURLExternal": files.get_upload_url,
    "files.info": files.files_info,
    "oauth.v2.access": installing.access,
    "pins.list": pins_list,
    "reactions.add": chat.add_reaction,
    "reactions.remove": chat.remove_reaction,
    "usergroups.users.list": usergroups_users_list,
    "users.conversations": conversations_list,
    "users.info": users_info,
    "views.open": views.open_view,
    "views.publish": views.publish_view,
    "views.update": views.update_view,
}
