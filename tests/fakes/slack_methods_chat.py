"""The Web API methods that post, change and delete messages, and those that stream them.

Each takes the store and a call and returns the answer's fields; refusals are `ApiError`s named as
on the method's page under docs.slack.dev/reference/methods.
"""

import re
from dataclasses import dataclass

from tests.fakes import slack_events as events
from tests.fakes.slack_blocks import check_blocks
from tests.fakes.slack_calls import (
    ApiError,
    Call,
    own_message,
    read_channel,
    read_message,
    writable_channel,
)
from tests.fakes.slack_settings import MAX_MARKDOWN_TEXT_CHARS, MAX_TEXT_CHARS, Json
from tests.fakes.slack_store import Channel, Message, Status, Store, Stream

REACTION = re.compile(r"[a-z0-9_+'-]+(::skin-tone-[2-6])?")


@dataclass(frozen=True, slots=True)
class Content:
    """What a message says."""

    text: str
    blocks: list[Json]
    attachments: list[Json]


def post_message(store: Store, call: Call) -> Json:
    """chat.postMessage, to a channel or, given a user's id, to that user's direct channel."""
    if call.text("channel") in store.users and not call.text("channel").startswith("D"):
        channel = store.open_im(call.text("channel"))
    else:
        channel = writable_channel(store, call)
    message = _new_message(store, call, channel, _read_content(store, call))
    store.add_message(message)
    _clear_status(store, message)
    store.publish(events.message_event(store, message))
    shown = events.message_json(store, message, is_with_metadata=True)
    return {"channel": channel.id, "ts": message.ts, "message": shown}


def post_ephemeral(store: Store, call: Call) -> Json:
    """chat.postEphemeral: seen by one user, found by nobody."""
    channel = writable_channel(store, call)
    user = call.need("user", "user_not_in_channel")
    if user not in channel.members:
        raise ApiError("user_not_in_channel")
    message = _new_message(store, call, channel, _read_content(store, call))
    message.is_ephemeral_for = user
    # In a thread it is shown only if that has replies (docs.slack.dev/messaging/#ephemeral).
    message.is_shown = not message.is_reply or bool(
        store.thread(channel.id, str(message.thread_ts))
    )
    store.add_message(message)
    return {"message_ts": message.ts}


def update(store: Store, call: Call) -> Json:
    """chat.update; metadata stays as it was unless given, and `{}` removes it."""
    channel = writable_channel(store, call)
    message = own_message(store, call, channel, "cant_update_message")
    if store.is_streaming(message):
        raise ApiError("streaming_state_conflict")  # measured by others, not documented
    content = _read_content(store, call)
    if len(content.text) > store.settings.update_text_chars:
        raise ApiError("msg_too_long")
    before = events.message_json(store, message)
    if call.has("metadata"):
        message.metadata = _read_metadata(call)
    text = content.text if call.has("text") or call.has("markdown_text") else message.text
    # Without the argument the blocks stay, and with them what people see.
    blocks = content.blocks if call.has("blocks") else message.blocks
    message.revise(text=text, blocks=blocks, by=store.settings.bot_user_id)
    store.changes.touch()
    store.publish(events.changed_event(store, message, before))
    shown = events.message_json(store, message, is_with_metadata=True)
    return {"channel": channel.id, "ts": message.ts, "text": message.text, "message": shown}


def delete(store: Store, call: Call) -> Json:
    """chat.delete."""
    channel = read_channel(store, call)
    message = own_message(store, call, channel, "cant_delete_message")
    if store.is_streaming(message):
        raise ApiError("cant_delete_message")
    remove(store, message)
    return {"channel": channel.id, "ts": message.ts}


def remove(store: Store, message: Message) -> None:
    """Delete a message, whoever asks, and say so."""
    before = events.message_json(store, message)
    message.deleted = True
    store.changes.touch()
    store.publish(events.deleted_event(store, message, before))


def start_stream(store: Store, call: Call) -> Json:
    """chat.startStream; outside direct channels it must name whom it streams to."""
    channel = writable_channel(store, call)
    if not channel.is_im:
        call.need("recipient_team_id", "missing_recipient_team_id")
        call.need("recipient_user_id", "missing_recipient_user_id")
    message = _new_message(store, call, channel, Content(_read_markdown(call), [], []))
    message.stream = Stream(
        expires_at_s=store.settings.clock() + store.settings.stream_lifetime_s,
        recipient_user_id=call.text("recipient_user_id") or None,
        chunks=call.structures("chunks", "invalid_chunks"),
    )
    store.add_message(message)
    _clear_status(store, message)
    store.publish(events.message_event(store, message))
    return {"channel": channel.id, "ts": message.ts}


def append_stream(store: Store, call: Call) -> Json:
    """chat.appendStream."""
    message = _append(store, call)
    store.changes.touch()
    return {"channel": message.channel, "ts": message.ts}


def stop_stream(store: Store, call: Call) -> Json:
    """chat.stopStream: a last append, and then an ordinary message."""
    message = _append(store, call)
    if message.stream is not None:
        message.stream.is_stopped = True
    message.blocks = call.structures("blocks", "invalid_blocks")
    check_blocks(store, message.blocks)
    if call.has("metadata"):
        message.metadata = _read_metadata(call)
    if call.has("session_status"):
        status = Status(
            channel=message.channel,
            thread_ts=message.thread_ts,
            status=call.text("session_status"),
            method=call.method,
        )
        store.set_status(status)
    store.changes.touch()
    shown = events.message_json(store, message, is_with_metadata=True)
    return {"channel": message.channel, "ts": message.ts, "message": shown}


def _append(store: Store, call: Call) -> Message:
    channel = writable_channel(store, call)
    message = own_message(store, call, channel, "message_not_owned_by_app")
    stream = message.stream
    if stream is not None and stream.is_stopped_by_user:
        raise ApiError("stopped_by_user")
    if stream is None or not store.is_streaming(message):
        raise ApiError("message_not_in_streaming_state")
    addition = _read_markdown(call)
    stream.chunks.extend(call.structures("chunks", "invalid_chunks"))
    if addition:
        message.revise(text=message.text + addition, blocks=[], by=store.settings.bot_user_id)
    return message


def _read_markdown(call: Call) -> str:
    text = call.text("markdown_text")
    for chunk in call.structures("chunks", "invalid_chunks"):
        if chunk.get("type") == "markdown_text":
            text += str(chunk.get("text", ""))
    if len(text) > MAX_MARKDOWN_TEXT_CHARS:
        raise ApiError("msg_too_long")
    return text


def _new_message(store: Store, call: Call, channel: Channel, content: Content) -> Message:
    thread_ts = call.text("thread_ts") or None
    if thread_ts is not None and not store.has_root(channel.id, thread_ts):
        raise ApiError("thread_not_found")
    settings = store.settings
    return Message(
        channel=channel.id,
        ts=store.next_ts(),
        user=settings.bot_user_id,
        bot_id=settings.bot_id,
        text=content.text[:MAX_TEXT_CHARS],
        blocks=content.blocks,
        attachments=content.attachments,
        posted_at_s=settings.clock(),
        thread_ts=thread_ts,
        subtype="thread_broadcast" if thread_ts and call.flag("reply_broadcast") else None,
        metadata=_read_metadata(call),
        unfurl_links=call.flag("unfurl_links"),
        unfurl_media=call.flag("unfurl_media"),
        is_linking_names=bool(call.flag("link_names")) or call.text("parse") == "full",
    )


def _clear_status(store: Store, message: Message) -> None:
    """A reply of the app clears the status of its thread (assistant.threads.setStatus page)."""
    written = [
        s
        for s in store.statuses
        if (s.channel, s.thread_ts) == (message.channel, message.thread_ts)
    ]
    if written and written[-1].method == "assistant.threads.setStatus" and written[-1].status:
        cleared = Status(
            channel=message.channel, thread_ts=message.thread_ts, status="", method="(reply)"
        )
        store.set_status(cleared)


def _read_content(store: Store, call: Call) -> Content:
    text = call.text("text")
    blocks = call.structures("blocks", "invalid_blocks")
    attachments = call.structures("attachments", "invalid_attachments")
    markdown = call.text("markdown_text")
    if markdown and (text or blocks):
        raise ApiError("markdown_text_conflict")
    if len(markdown) > MAX_MARKDOWN_TEXT_CHARS:
        raise ApiError("msg_too_long")
    if not (text or blocks or attachments or markdown):
        raise ApiError("no_text")
    check_blocks(store, blocks)
    return Content(text or markdown, blocks, attachments)


def _read_metadata(call: Call) -> Json | None:
    metadata = call.structure("metadata", "invalid_metadata_format")
    if not metadata:
        return None
    is_sound = isinstance(metadata, dict) and isinstance(metadata.get("event_payload"), dict)
    if not is_sound or not metadata.get("event_type"):
        raise ApiError("invalid_metadata_format")
    return {"event_type": metadata["event_type"], "event_payload": metadata["event_payload"]}


def add_reaction(store: Store, call: Call) -> Json:
    """reactions.add."""
    return _react(store, call, is_added=True)


def remove_reaction(store: Store, call: Call) -> Json:
    """reactions.remove."""
    return _react(store, call, is_added=False)


def _react(store: Store, call: Call, *, is_added: bool) -> Json:
    channel = writable_channel(store, call)
    name = call.need("name", "invalid_name")
    if not REACTION.fullmatch(name):
        raise ApiError("invalid_name")
    message = read_message(store, call, channel, "timestamp")
    if not set_reaction(store, message, store.settings.bot_user_id, name, is_added=is_added):
        raise ApiError("already_reacted" if is_added else "no_reaction")
    return {}


def set_reaction(store: Store, message: Message, user: str, name: str, *, is_added: bool) -> bool:
    """Add or remove a user's reaction and say so; return False if that changes nothing."""
    users = message.reactions.get(name, [])
    if (user in users) is is_added:
        return False
    if is_added:
        message.reactions[name] = [*users, user]
    else:
        message.reactions[name] = [u for u in users if u != user]
        message.reactions = {n: u for n, u in message.reactions.items() if u}
    store.changes.touch()
    store.publish(events.reaction_event(store, message, user, name, is_added=is_added))
    return True
