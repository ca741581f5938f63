"""The `response_url`s of slash commands and interactions: addresses that take five answers each.

The same wording, sent as the ack of a slash command, is shown through here too. See
docs.slack.dev/interactivity/handling-user-interaction#message_responses.
"""

from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web

from tests.fakes import slack_events as events
from tests.fakes.slack_methods_chat import remove
from tests.fakes.slack_settings import MAX_RESPONSE_URL_USES, Json
from tests.fakes.slack_store import Message, Store


@dataclass(kw_only=True)
class ResponseUrl:
    """Where answers to one interaction go: a channel, the user who acted, perhaps a message."""

    channel: str
    user: str
    original: Message | None = None
    num_uses: int = 0


class ResponseUrls:
    """Issues the addresses and takes what is POSTed to them."""

    def __init__(self, store: Store, base_url: Callable[[], str]) -> None:
        self._store = store
        self._base_url = base_url
        self._issued: dict[str, ResponseUrl] = {}

    def issue(self, target: ResponseUrl) -> str:
        """Return a new address for answers to `target`."""
        key = self._store.next_id("r")
        self._issued[key] = target
        return f"{self._base_url()}response/{key}"

    def find(self, url: str) -> ResponseUrl | None:
        """Return what an address stands for."""
        return self._issued.get(url.rpartition("/")[2])

    async def handle(self, request: web.Request) -> web.Response:
        """Take one answer; the sixth is refused."""
        target = self._issued.get(request.match_info["key"])
        if target is None or target.num_uses >= MAX_RESPONSE_URL_USES:
            return web.json_response({"ok": False, "error": "used_url"}, status=404)
        body: Json = await request.json()
        if not any(body.get(part) for part in ("text", "blocks", "attachments", "delete_original")):
            return web.json_response({"ok": False, "error": "no_text"}, status=400)
        target.num_uses += 1
        self.show(target, body)
        return web.json_response({"ok": True})

    def show(self, target: ResponseUrl, body: Json) -> None:
        """Do what an answer says: change or delete the original, or post for one or for all."""
        store = self._store
        original = target.original
        if body.get("delete_original") and original is not None:
            remove(store, original)
        elif body.get("replace_original") and original is not None:
            before = events.message_json(store, original)
            bot = store.settings.bot_user_id
            original.revise(text=body.get("text", ""), blocks=body.get("blocks", []), by=bot)
            store.changes.touch()
            store.publish(events.changed_event(store, original, before))
        else:
            self._post(target, body)

    def show_command(self, target: ResponseUrl, command: str) -> None:
        """Show everybody which command somebody used; no event tells of it."""
        store = self._store
        message = Message(
            channel=target.channel,
            ts=store.next_ts(),
            user=target.user,
            text=command,
            subtype="slash_command",
            posted_at_s=store.settings.clock(),
        )
        store.add_message(message)

    def _post(self, target: ResponseUrl, body: Json) -> None:
        store = self._store
        is_for_all = body.get("response_type") == "in_channel"
        message = Message(
            channel=target.channel,
            ts=store.next_ts(),
            user=store.settings.bot_user_id,
            bot_id=store.settings.bot_id,
            text=body.get("text", ""),
            blocks=body.get("blocks", []),
            attachments=body.get("attachments", []),
            posted_at_s=store.settings.clock(),
            thread_ts=body.get("thread_ts"),
            is_ephemeral_for=None if is_for_all else target.user,
        )
        store.add_message(message)
        if is_for_all:
            store.publish(events.message_event(store, message))
