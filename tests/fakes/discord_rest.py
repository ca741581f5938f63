"""The endpoints about the bot itself, channels, messages, reactions, threads and commands.

Each handler reads or changes the world and answers as Discord would. Sources: the resource pages
of the documentation, named in each section.
"""

import re

from tests.fakes import discord_errors as errors
from tests.fakes import discord_payloads as payloads
from tests.fakes import discord_settings as limits
from tests.fakes.discord_commands import check_commands
from tests.fakes.discord_errors import (
    api_error,
    form_error,
    not_found,
    read_number,
    required,
    too_long,
)
from tests.fakes.discord_forms import read_draft, read_edit
from tests.fakes.discord_gateway import Gateway
from tests.fakes.discord_http import Answer, Call, Route
from tests.fakes.discord_mentions import REGULAR_DEFAULT
from tests.fakes.discord_model import Channel, Message, TypingCall
from tests.fakes.discord_settings import Json
from tests.fakes.discord_world import World

CHANNEL = "/channels/{channel_id}"
MESSAGES = f"{CHANNEL}/messages"
MESSAGE = f"{MESSAGES}/{{message_id}}"
REACTION = f"{MESSAGE}/reactions/{{emoji}}"
COMMANDS = "/applications/{application_id}/commands"
GUILD_COMMANDS = "/applications/{application_id}/guilds/{guild_id}/commands"
DEFAULT_HISTORY = 50
MAX_HISTORY = 100
_CUSTOM_EMOJI = re.compile(r"\w+:\d+")


class Rest:
    """The handlers, over one world and its gateway."""

    def __init__(self, world: World, gateway: Gateway) -> None:
        self._world = world
        self._gateway = gateway

    def routes(self) -> list[Route]:
        """Return all endpoints of this file."""
        return [
            Route("GET", "/users/@me", self._get_own_user),
            Route("GET", "/users/{user_id}", self._get_user),
            Route("POST", "/users/@me/channels", self._open_dm),
            Route("GET", "/applications/@me", self._get_application),
            Route("GET", "/oauth2/applications/@me", self._get_application),
            Route("GET", "/gateway", self._get_gateway, is_open=True),
            Route("GET", "/gateway/bot", self._get_gateway_bot),
            Route("GET", "/guilds/{guild_id}", self._get_guild),
            Route("GET", "/guilds/{guild_id}/channels", self._list_channels),
            Route("GET", "/guilds/{guild_id}/members/{user_id}", self._get_member),
            Route("GET", CHANNEL, self._get_channel),
            # Before the messages themselves, whose ids these words are not.
            Route("GET", f"{MESSAGES}/pins", self._list_pins),
            Route("POST", f"{CHANNEL}/typing", self._type),
            Route("POST", f"{CHANNEL}/threads", self._start_thread),
            Route("GET", MESSAGES, self._list_messages),
            Route("POST", MESSAGES, self._create_message),
            Route("GET", MESSAGE, self._get_message),
            Route("PATCH", MESSAGE, self._edit_message),
            Route("DELETE", MESSAGE, self._delete_message),
            Route("POST", f"{MESSAGE}/threads", self._start_thread_from_message),
            Route("PUT", f"{REACTION}/@me", self._add_reaction),
            Route("DELETE", f"{REACTION}/{{user_id}}", self._remove_reaction),
            Route("GET", REACTION, self._list_reactors),
            *self._command_routes(),
        ]

    def _command_routes(self) -> list[Route]:
        routes = []
        for path in (COMMANDS, GUILD_COMMANDS):
            routes += [
                Route("GET", path, self._list_commands),
                Route("PUT", path, self._overwrite_commands),
                Route("POST", path, self._create_command),
                Route("DELETE", f"{path}/{{command_id}}", self._delete_command),
            ]
        return routes

    # ------------------------------------------------------------------ User, Application, Gateway

    def _get_own_user(self, _call: Call) -> Answer:
        return Answer(payloads.own_user_json(self._world.bot))

    def _get_user(self, call: Call) -> Answer:
        user = self._world.users.get(call.get_id("user_id"))
        if user is None:
            raise not_found(errors.UNKNOWN_USER)
        return Answer(payloads.user_json(user))

    def _open_dm(self, call: Call) -> Answer:
        given = call.body.get("recipient_id") or 0
        user = self._world.users.get(read_number("recipient_id", given))
        if user is None:
            raise not_found(errors.UNKNOWN_USER)
        return Answer(payloads.channel_json(self._world, self._world.open_dm(user)))

    def _get_application(self, _call: Call) -> Answer:
        return Answer(payloads.application_json(self._world))

    def _get_gateway(self, _call: Call) -> Answer:
        return Answer({"url": self._gateway.url})

    def _get_gateway_bot(self, _call: Call) -> Answer:
        start_limit = self._gateway.session_start_limit()
        shards = self._world.settings.shards
        body = {"url": self._gateway.url, "shards": shards, "session_start_limit": start_limit}
        return Answer(body)

    def _get_guild(self, call: Call) -> Answer:
        guild = self._world.guilds.get(call.get_id("guild_id"))
        if guild is None or guild.is_foreign:
            raise not_found(10004)
        return Answer(payloads.guild_json(self._world, guild, has_all_members=False))

    def _list_channels(self, call: Call) -> Answer:
        guild_id = call.get_id("guild_id")
        found = [c for c in self._world.channels.values() if c.guild_id == guild_id]
        shown = [payloads.channel_json(self._world, c) for c in found if not c.is_thread]
        return Answer(shown)

    def _get_member(self, call: Call) -> Answer:
        guild = self._world.guilds.get(call.get_id("guild_id"))
        if guild is None:
            raise not_found(10004)
        user_id = call.get_id("user_id")
        if user_id not in guild.members:
            raise not_found(errors.UNKNOWN_MEMBER)
        return Answer(payloads.member_with_user_json(self._world, guild, user_id))

    # ------------------------------------------------------------------ Channel

    def _channel(self, call: Call) -> Channel:
        return self._world.channels[call.get_id("channel_id")]

    def _get_channel(self, call: Call) -> Answer:
        return Answer(payloads.channel_json(self._world, self._channel(call)))

    def _type(self, call: Call) -> Answer:
        self._world.typing.append(TypingCall(call.get_id("channel_id"), call.record.at_s))
        return Answer()

    def _start_thread(self, call: Call) -> Answer:
        thread = self._world.add_thread(self._thread_parent(call), _read_thread_name(call.body))
        return Answer(payloads.channel_json(self._world, thread), 201)

    def _start_thread_from_message(self, call: Call) -> Answer:
        parent = self._thread_parent(call)
        starter = self._message(call)
        if starter.thread_id is not None:
            raise api_error(400, errors.THREAD_EXISTS)
        thread = self._world.add_thread(parent, _read_thread_name(call.body), starter)
        return Answer(payloads.channel_json(self._world, thread), 201)

    def _thread_parent(self, call: Call) -> Channel:
        channel = self._channel(call)
        if channel.is_dm or channel.is_thread:
            raise api_error(400, errors.WRONG_CHANNEL_TYPE)
        return channel

    # ------------------------------------------------------------------ Message

    def _message(self, call: Call) -> Message:
        return self._world.find_message(call.get_id("channel_id"), call.get_id("message_id"))

    def _show(self, message: Message) -> Json:
        """Return a message; without the switch in the portal its content is blanked here too."""
        has_intent = self._world.settings.allow_message_content
        return payloads.message_json(self._world, message, has_content_intent=has_intent)

    def _list_messages(self, call: Call) -> Answer:
        all_in_channel = self._world.messages_in(call.get_id("channel_id"))
        visible = [m for m in all_in_channel if not m.deleted and not m.is_ephemeral]
        if self._world.settings.ignores_times:
            page = visible[-DEFAULT_HISTORY:]
        else:
            page = _choose_page(visible, call)
        return Answer([self._show(message) for message in reversed(page)])

    def _get_message(self, call: Call) -> Answer:
        return Answer(self._show(self._message(call)))

    def _list_pins(self, call: Call) -> Answer:
        """Return the pinned messages, the latest first (Message, Get Channel Pins)."""
        channel = self._channel(call)
        found = self._world.find_message
        items = [
            {"pinned_at": when.isoformat(), "message": self._show(found(channel.id, pin))}
            for pin, when in reversed(channel.pins.items())
        ]
        return Answer({"items": items, "has_more": False})

    def _create_message(self, call: Call) -> Answer:
        channel_id = call.get_id("channel_id")
        recipient = self._world.users.get(self._channel(call).recipient_id or 0)
        if recipient is not None and recipient.is_closed:
            raise api_error(403, errors.CANNOT_SEND_TO_USER)
        draft = read_draft(call.body, call.record.files, REGULAR_DEFAULT)
        existing = self._world.find_by_nonce(self._world.bot.id, draft)
        if existing is not None:
            return Answer(self._show(existing))
        reference = self._world.find_reference(channel_id, draft)
        message = self._world.post(channel_id, self._world.bot.id, draft, reference)
        return Answer(self._show(message))

    def _edit_message(self, call: Call) -> Answer:
        message = self._message(call)
        if message.author_id != self._world.bot.id:
            raise api_error(403, errors.CANNOT_EDIT_OTHERS)
        edit = read_edit(message, call.body, call.record.files, REGULAR_DEFAULT)
        self._world.edit(message, edit)
        return Answer(self._show(message))

    def _delete_message(self, call: Call) -> Answer:
        message = self._message(call)
        if self._channel(call).is_dm and message.author_id != self._world.bot.id:
            raise api_error(403, errors.CANNOT_ACT_ON_DM)
        self._world.delete(message)
        return Answer()

    def _add_reaction(self, call: Call) -> Answer:
        message = self._message(call)
        emoji = _read_emoji(call)
        is_new = emoji not in message.reactions
        if is_new and len(message.reactions) >= limits.MAX_REACTION_KINDS:
            raise api_error(400, errors.TOO_MANY_REACTIONS)
        self._world.react(message, self._world.bot.id, emoji)
        return Answer()

    def _remove_reaction(self, call: Call) -> Answer:
        is_own = call.params["user_id"] == "@me"
        user_id = self._world.bot.id if is_own else call.get_id("user_id")
        self._world.unreact(self._message(call), user_id, _read_emoji(call))
        return Answer()

    def _list_reactors(self, call: Call) -> Answer:
        user_ids = self._message(call).reactions.get(_read_emoji(call), [])
        return Answer([payloads.user_json(self._world.users[user]) for user in user_ids])

    # ------------------------------------------------------------------ Application Commands

    def _scope(self, call: Call) -> int | None:
        """Return the guild whose commands are meant, None for the global ones."""
        if call.get_id("application_id") != self._world.application_id:
            raise api_error(403, 20012)
        return call.get_id("guild_id") if "guild_id" in call.params else None

    def _list_commands(self, call: Call) -> Answer:
        return Answer(self._world.commands.get(self._scope(call), []))

    def _overwrite_commands(self, call: Call) -> Answer:
        scope = self._scope(call)
        given = call.record.body if isinstance(call.record.body, list) else []
        check_commands(given)
        self._world.commands[scope] = [self._register(command, scope) for command in given]
        return Answer(self._world.commands[scope])

    def _create_command(self, call: Call) -> Answer:
        scope = self._scope(call)
        check_commands([call.body])
        command = self._register(call.body, scope)
        others = [c for c in self._world.commands.get(scope, []) if c["id"] != command["id"]]
        self._world.commands[scope] = [*others, command]
        return Answer(command, 201)

    def _delete_command(self, call: Call) -> Answer:
        scope = self._scope(call)
        known = self._world.commands.get(scope, [])
        kept = [c for c in known if c["id"] != call.params["command_id"]]
        if len(kept) == len(known):
            raise not_found(errors.UNKNOWN_COMMAND)
        self._world.commands[scope] = kept
        return Answer()

    def _register(self, command: Json, scope: int | None) -> Json:
        """Return a command as stored; one that is overwritten keeps its id."""
        kind = command.get("type", 1)
        known = self._world.commands.get(scope, [])
        same = (c["id"] for c in known if (c["type"], c["name"]) == (kind, command["name"]))
        fixed: Json = {
            "id": next(same, None) or str(self._world.ids.make()),
            "application_id": str(self._world.application_id),
            "version": str(self._world.ids.make()),
            "type": kind,
        }
        if scope is not None:
            fixed["guild_id"] = str(scope)
        defaults = {"description": "", "default_member_permissions": None, "nsfw": False}
        return defaults | command | fixed


def _choose_page(visible: list[Message], call: Call) -> list[Message]:
    """Return the messages asked for, oldest first (Message, Get Channel Messages)."""
    query = call.record.query
    limit = read_number("limit", query.get("limit", DEFAULT_HISTORY))
    if not 1 <= limit <= MAX_HISTORY:
        text = f"int value should be between 1 and {MAX_HISTORY}."
        raise form_error("limit", "NUMBER_TYPE_MAX", text)
    if "after" in query:
        after = read_number("after", query["after"])
        return [m for m in visible if m.id > after][:limit]
    if "around" in query:
        centre = read_number("around", query["around"])
        older = [m for m in visible if m.id < centre][-(limit // 2) :] if limit > 1 else []
        newer = [m for m in visible if m.id >= centre][: limit - len(older)]
        return older + newer
    if "before" in query:
        before = read_number("before", query["before"])
        visible = [m for m in visible if m.id < before]
    return visible[-limit:]


def _read_thread_name(body: Json) -> str:
    name = str(body.get("name") or "")
    if not name:
        raise required("name")
    if len(name) > limits.MAX_THREAD_NAME_CHARS:
        raise too_long("name", limits.MAX_THREAD_NAME_CHARS)
    return name


def _read_emoji(call: Call) -> str:
    """Return the emoji of the path; plain words are refused, `name:id` and Unicode are not."""
    emoji = call.params["emoji"]
    if emoji.isascii() and not _CUSTOM_EMOJI.fullmatch(emoji):
        raise api_error(400, errors.UNKNOWN_EMOJI)
    return emoji
