"""What everybody but the bot does: talk, edit, react, press buttons, use commands.

`People` is the half of `FakeSlack` that plays the humans and the other bots. Each act changes the
workspace and sends the app what Slack would send.
"""

from collections.abc import Collection

from tests.fakes import slack_events as events
from tests.fakes.slack_delivery import Delivery, Dispatcher
from tests.fakes.slack_files import file_json
from tests.fakes.slack_installing import consent
from tests.fakes.slack_methods_chat import remove, set_reaction
from tests.fakes.slack_responses import ResponseUrl, ResponseUrls
from tests.fakes.slack_settings import Json
from tests.fakes.slack_store import Channel, File, Message, Pin, Store, User, View


class People:
    """Users and other bots. Not a base to build on: it is a part of `FakeSlack`, kept by duty."""

    def __init__(self, store: Store, dispatcher: Dispatcher, responses: ResponseUrls) -> None:
        self._store = store
        self._dispatcher = dispatcher
        self._responses = responses

    def add_channel(
        self,
        channel_id: str,
        name: str,
        *,
        members: Collection[str] | None = None,
        is_im: bool = False,
        is_private: bool = False,
        is_archived: bool = False,
    ) -> Channel:
        """Add a conversation; the bot is in it unless it is not direct and `members` omit it."""
        bot = self._store.settings.bot_user_id
        everybody = {bot} if members is None or is_im else set()
        everybody |= set(members or ())
        channel = Channel(
            id=channel_id,
            name=name,
            members=everybody,
            is_im=is_im,
            is_private=is_private,
            is_archived=is_archived,
        )
        return self._store.add_channel(channel)

    def add_user(  # noqa: PLR0913 - everything after the name is rare and named
        self,
        user_id: str,
        name: str,
        *,
        real_name: str = "",
        is_admin: bool = False,
        is_guest: bool = False,
        team: str = "",
        locale: str = "en-US",
    ) -> User:
        """Add a person; `say` makes up those nobody added. With a `team` one of another."""
        user = User(
            id=user_id,
            name=name,
            real_name=real_name,
            is_admin=is_admin,
            is_restricted=is_guest,
            team=team,
            locale=locale,
        )
        self._store.users[user_id] = user
        return user

    def add_usergroup(self, group_id: str, members: Collection[str]) -> None:
        """Add a user group, or replace its people."""
        self._store.usergroups[group_id] = set(members)

    async def say(
        self,
        channel: str,
        user: str,
        text: str,
        thread_ts: str | None = None,
        files: list[Json] | None = None,
    ) -> Message:
        """Post as a person, who joins the channel by it.

        The app gets a `message` event and, if the text mentions the bot outside a direct channel,
        an `app_mention` event with the same ts. With `files` the subtype is `file_share`.
        """
        self._store.channel(channel).members.add(self._store.user(user).id)
        message = self._message(channel, text, user, thread_ts)
        message.files = files or []
        message.subtype = "file_share" if files else None
        return self._post(message)

    async def say_as_bot(
        self,
        channel: str,
        bot_id: str,
        text: str,
        *,
        user: str | None = None,
        thread_ts: str | None = None,
    ) -> Message:
        """Post as another app. With `user` it is a modern bot, without it has `bot_message`."""
        message = self._message(channel, text, user, thread_ts)
        message.bot_id = bot_id
        message.subtype = None if user else "bot_message"
        return self._post(message)

    async def announce(self, channel: str, user: str, text: str, subtype: str) -> Message:
        """Post a message of any subtype, such as `channel_join`."""
        message = self._message(channel, text, user)
        message.subtype = subtype
        return self._post(message)

    async def say_unheard(
        self, channel: str, user: str, text: str, thread_ts: str | None = None
    ) -> Message:
        """Post as a person without sending any event, as if the events had been lost."""
        return self._store.add_message(self._message(channel, text, user, thread_ts))

    async def edit_message(self, channel: str, ts: str, text: str) -> Message:
        """Change a message as the one who wrote it; the app gets `message_changed`."""
        message = self._message_at(channel, ts)
        before = events.message_json(self._store, message)
        message.revise(text=text, blocks=[], by=message.user or "")
        self._store.changes.touch()
        self._store.publish(events.changed_event(self._store, message, before))
        return message

    async def delete_message(self, channel: str, ts: str) -> Message:
        """Delete a message; the app gets `message_deleted`."""
        message = self._message_at(channel, ts)
        remove(self._store, message)
        return message

    async def react(
        self, channel: str, ts: str, user: str, name: str, *, is_added: bool = True
    ) -> Message:
        """Add or take back a reaction; the app gets `reaction_added` or `reaction_removed`."""
        message = self._message_at(channel, ts)
        set_reaction(self._store, message, self._store.user(user).id, name, is_added=is_added)
        return message

    async def share(
        self,
        channel: str,
        user: str,
        named: dict[str, str | bytes],
        text: str = "",
        thread_ts: str | None = None,
    ) -> Message:
        """Post files as a person: `named` has their names and what is in them."""
        shown = []
        for name, content in named.items():
            raw = content.encode() if isinstance(content, str) else content
            file = File(
                id=self._store.next_id("F"),
                name=name,
                user=user,
                size=len(raw),
                content=raw,
                is_complete=True,
            )
            self._store.files[file.id] = file
            shown.append(file_json(self._store, file))
        return await self.say(channel, user, text, thread_ts, shown)

    async def pin(self, channel: str, ts: str, user: str, *, is_heard: bool = True) -> Message:
        """Pin a message; the app gets `pin_added`, unless that is lost."""
        store = self._store
        message = self._message_at(channel, ts)
        created_s = int(float(store.next_ts()))
        pin = Pin(channel=channel, ts=ts, user=store.user(user).id, created_s=created_s)
        store.pins[channel, ts] = pin
        if is_heard:
            store.publish(events.pin_event(store, pin, message, user, is_added=True))
        return message

    async def unpin(self, channel: str, ts: str, user: str, *, is_heard: bool = True) -> Message:
        """Take a pin away; the app gets `pin_removed`, unless that is lost."""
        message = self._message_at(channel, ts)
        pin = self._store.pins.pop((channel, ts))
        event = events.pin_event(self._store, pin, message, user, is_added=False)
        if is_heard:
            self._store.publish(event)
        return message

    async def slash(self, channel: str, user: str, command: str, text: str = "") -> Delivery:
        """Use a slash command."""
        store = self._store
        place = store.channel(channel)
        payload = events.slash_payload(store, place, store.user(user), command, text)
        payload["response_url"] = self._responses.issue(ResponseUrl(channel=channel, user=user))
        return self._dispatcher.start("slash_commands", payload)

    async def press_button(
        self, channel: str, ts: str, user: str, action_id: str, value: str | None = None
    ) -> Delivery:
        """Press an element of a message's blocks; `value` replaces the element's own.

        Of feedback buttons `value` is that of the one that is pressed. Raises `LookupError` if the
        message shows no element with that `action_id`.
        """
        message = self._message_at(channel, ts)
        action = _find_action(message.blocks, action_id)
        if action is None:
            raise LookupError(f"message {ts} has no element with action_id {action_id}")
        if value is not None:
            action["value"] = value
        actor = self._store.user(user)
        payload = events.button_payload(self._store, message, actor, action)
        target = ResponseUrl(channel=channel, user=user, original=message)
        payload["response_url"] = self._responses.issue(target)
        return await self.send_interactive(payload)

    async def use_message_shortcut(
        self, channel: str, ts: str, user: str, callback_id: str
    ) -> Delivery:
        """Use a shortcut on a message."""
        message = self._message_at(channel, ts)
        actor = self._store.user(user)
        payload = events.message_shortcut_payload(self._store, message, actor, callback_id)
        target = ResponseUrl(channel=channel, user=user, original=message)
        payload["response_url"] = self._responses.issue(target)
        return await self.send_interactive(payload)

    async def use_shortcut(self, user: str, callback_id: str) -> Delivery:
        """Use a shortcut outside any message."""
        actor = self._store.user(user)
        return await self.send_interactive(
            events.global_shortcut_payload(self._store, actor, callback_id)
        )

    async def press_in_view(self, view_id: str, user: str, action_id: str) -> Delivery:
        """Press an element of a view that the app opened, or of a Home tab."""
        opened = self._view_at(view_id)
        action = _find_action(opened.view["blocks"], action_id)
        if action is None:
            raise LookupError(f"view {view_id} has no element with action_id {action_id}")
        payload = events.interaction(self._store, self._store.user(user)) | {
            "type": "block_actions",
            "container": {"type": "view", "view_id": view_id},
            "view": opened.view | {"id": view_id, "state": {"values": {}}},
            "actions": [action | {"action_ts": self._store.next_ts()}],
        }
        return await self.send_interactive(payload)

    async def open_home(self, user: str, tab: str = "home") -> Delivery:
        """Open the app's Home tab, or with `messages` its direct message."""
        channel = self._store.open_im(user)
        event = {
            "type": "app_home_opened",
            "user": user,
            "channel": channel.id,
            "tab": tab,
            "event_ts": self._store.next_ts(),
        }
        return await self.emit(event)

    async def submit_view(self, view_id: str, user: str, values: Json) -> Delivery:
        """Submit a view that the app opened; `values` is its `state.values`."""
        view = self._view_at(view_id).view | {"id": view_id, "state": {"values": values}}
        payload = events.interaction(self._store, self._store.user(user))
        return await self.send_interactive(payload | {"type": "view_submission", "view": view})

    async def send_interactive(self, payload: Json) -> Delivery:
        """Send any interactive payload."""
        return self._dispatcher.start("interactive", payload)

    async def emit(self, event: Json) -> Delivery:
        """Send any event in an envelope of its own, for example an `app_home_opened`."""
        return self._dispatcher.start("events_api", events.event_callback(self._store, event))

    async def press_stop(self, channel: str, thread_ts: str, user: str) -> Delivery:
        """Press Stop: streams of the thread answer `stopped_by_user`, the app is told."""
        stopped = []
        for message in self._store.thread(channel, thread_ts):
            if message.stream is not None and self._store.is_streaming(message):
                message.stream.is_stopped = message.stream.is_stopped_by_user = True
                stopped.append(message.ts)
        event = {
            "type": "agent_session_stopped",
            "channel": channel,
            "thread_ts": thread_ts,
            "streaming_message_ts": stopped,
            "user": user,
            "event_ts": self._store.next_ts(),
        }
        return await self.emit(event)

    def allow(self, query: dict[str, str], team: str) -> str:
        """Let somebody of a workspace allow the app on Slack's page; the code that goes back."""
        return consent(self._store, query, team)

    async def uninstall(self, team: str, event_type: str = "app_uninstalled") -> Delivery:
        """Take the app out of a further workspace: its token is refused, and the app is told.

        `event_type` may be `tokens_revoked`: somebody has taken the app's token back.
        """
        for token in [known for known, of in self._store.tokens.items() if of == team]:
            del self._store.tokens[token]
        event: Json = {"type": event_type, "event_ts": self._store.next_ts()}
        if event_type == "tokens_revoked":
            event["tokens"] = {"oauth": [], "bot": [self._store.settings.bot_user_id]}
        envelope = events.event_callback(self._store, event) | {"team_id": team}
        return self._dispatcher.start("events_api", envelope)

    def expire_streams(self) -> None:
        """End the lifetime of every open stream now."""
        for channel in self._store.channels:
            for message in self._store.messages(channel):
                if message.stream is not None:
                    message.stream.expires_at_s = 0.0
        self._store.changes.touch()

    def _view_at(self, view_id: str) -> View:
        for view in self._store.views:
            if view.id == view_id:
                return view
        raise LookupError(f"no view {view_id}")

    def _message_at(self, channel: str, ts: str) -> Message:
        for message in self._store.messages(channel):
            if message.ts == ts and not message.deleted:
                return message
        raise LookupError(f"no message {ts} in channel {channel}")

    def _message(
        self, channel: str, text: str, user: str | None, thread_ts: str | None = None
    ) -> Message:
        store = self._store
        return Message(
            channel=store.channel(channel).id,
            ts=store.next_ts(),
            user=store.user(user).id if user else None,
            text=text,
            thread_ts=thread_ts,
            posted_at_s=store.settings.clock(),
        )

    def _post(self, message: Message) -> Message:
        store = self._store
        store.add_message(message)
        store.publish(events.message_event(store, message))
        mention = f"<@{store.settings.bot_user_id}>"
        if mention in message.live_mentions and not store.channel(message.channel).is_im:
            store.publish(events.app_mention_event(store, message))
        return message


def _find_action(part: object, action_id: str) -> Json | None:
    """Return the element as an action: what `block_actions` says about it."""
    if isinstance(part, list):
        return next((a for item in part if (a := _find_action(item, action_id))), None)
    if not isinstance(part, dict):
        return None
    for element in (*part.get("elements", ()), part.get("accessory")):
        if isinstance(element, dict) and element.get("action_id") == action_id:
            block_id = part.get("block_id", "block")
            kept = {k: v for k, v in element.items() if k in ("type", "text", "value")}
            return {"action_id": action_id, "block_id": block_id, **kept}
    return None
