"""Interactions: what a user does with a command, a button or a form, and the bot's answers to it.

The first answer goes to the callback endpoint within three seconds, later ones to a webhook whose
token lives for fifteen minutes. Source: Receiving and Responding.
"""

import secrets
from dataclasses import dataclass, replace

from tests.fakes import discord_errors as errors
from tests.fakes import discord_payloads as payloads
from tests.fakes import discord_settings as limits
from tests.fakes.discord_commands import check_form
from tests.fakes.discord_errors import api_error, not_found
from tests.fakes.discord_forms import read_draft, read_edit
from tests.fakes.discord_http import Answer, Call, Route
from tests.fakes.discord_mentions import INTERACTION_DEFAULT, AllowedMentions
from tests.fakes.discord_model import Attachment, Interaction, Message, MessageKind, Role
from tests.fakes.discord_settings import Json
from tests.fakes.discord_world import Event, World

# Interaction Type
COMMAND = 2
AUTOCOMPLETE = 4
COMPONENT = 3
MODAL_SUBMIT = 5
# Interaction Callback Type
ANSWER_MESSAGE = 4
ANSWER_DEFERRED = 5
ANSWER_DEFERRED_UPDATE = 6
ANSWER_UPDATE = 7
ANSWER_CHOICES = 8
ANSWER_FORM = 9
# Application Command Type, and Application Command Option Type by the type of its value
SLASH = 1
MESSAGE_MENU = 3
SUBCOMMAND = 1
OPTION_TYPES: dict[type, int] = {str: 3, int: 4, bool: 5, float: 10}
BUTTON = 2
SELECT = 3
TEXT_INPUT = 4
ROLE_SELECT = 6
LABEL = 18

CALLBACK = "/interactions/{interaction_id}/{token}/callback"
WEBHOOK = "/webhooks/{application_id}/{token}"
WEBHOOK_MESSAGE = f"{WEBHOOK}/messages/{{message_id}}"

Input = str | list[str] | list[Role]
OptionValue = str | int | bool | float | Attachment
ATTACHMENT_OPTION = 11


@dataclass(frozen=True, slots=True)
class Place:
    """Where and by whom an interaction is made; `message_id` is the message of a component."""

    channel_id: int
    user_id: int
    message_id: int | None = None
    locale: str = ""
    is_user_install: bool = False


class Interactions:
    """Makes interactions and serves the answers to them."""

    def __init__(self, world: World) -> None:
        self._world = world

    # ------------------------------------------------------------------ what users do

    def call_command(self, place: Place, name: str, options: dict[str, OptionValue]) -> Interaction:
        """Use a slash command; `name` may hold subcommands after spaces.

        Raises:
            LookupError: the bot has not registered it.
        """
        first, *inner = name.split()
        data = self._command_data(place, first, SLASH)
        resolved: Json = {}
        given = [self._option(key, value, resolved) for key, value in options.items()]
        for depth, word in enumerate(reversed(inner)):
            given = [{"name": word, "type": SUBCOMMAND + (depth > 0), "options": given}]
        return self._deliver(place, COMMAND, data | {"options": given, "resolved": resolved})

    def _option(self, name: str, value: OptionValue, resolved: Json) -> Json:
        if not isinstance(value, Attachment):
            return {"name": name, "type": OPTION_TYPES[type(value)], "value": value}
        (file,) = self._world.keep_attachments([value])
        self._world.uploads[file.id] = file
        url = f"{self._world.attachments_url}/0/{file.id}/{file.filename}"
        resolved.setdefault("attachments", {})[str(file.id)] = payloads.file_json(url, file)
        return {"name": name, "type": ATTACHMENT_OPTION, "value": str(file.id)}

    def type_option(self, place: Place, name: str, option: str, typed: str) -> Interaction:
        """Type the beginning of an option of a slash command.

        Raises:
            LookupError: the bot has not registered it.
        """
        data = self._command_data(place, name, SLASH)
        focused = {"name": option, "type": OPTION_TYPES[str], "value": typed, "focused": True}
        return self._deliver(place, AUTOCOMPLETE, data | {"options": [focused]})

    def call_message_menu(self, place: Place, name: str, message: Message) -> Interaction:
        """Use a command from a message's context menu; the message is never blanked.

        Raises:
            LookupError: the bot has not registered it.
        """
        shown = payloads.message_json(self._world, message, has_content_intent=True)
        data = self._command_data(place, name, MESSAGE_MENU) | {
            "target_id": str(message.id),
            "resolved": {"messages": {str(message.id): shown}},
        }
        return self._deliver(place, COMMAND, data)

    def use_component(
        self, place: Place, custom_id: str, kind: int, values: list[str]
    ) -> Interaction:
        """Press a button (no values) or choose in a select menu."""
        data: Json = {"custom_id": custom_id, "component_type": kind}
        if kind != BUTTON:
            data["values"] = values
        return self._deliver(place, COMPONENT, data)

    def submit_modal(self, place: Place, custom_id: str, inputs: dict[str, Input]) -> Interaction:
        """Send a form with text inputs and choices; a choice is a list, of roles perhaps."""
        fields = [_field(key, value) for key, value in inputs.items()]
        data: Json = {"custom_id": custom_id, "components": fields}
        roles = [role for value in inputs.values() if isinstance(value, list) for role in value]
        if any(isinstance(role, Role) for role in roles):
            shown = {str(r.id): payloads.role_json(r, 1) for r in roles if isinstance(r, Role)}
            data["resolved"] = {"roles": shown}
        return self._deliver(place, MODAL_SUBMIT, data)

    def find_component(self, message: Message, custom_id: str) -> int:
        """Return the type of a component on a message.

        Raises:
            LookupError: the message has no such component.
        """
        pending = list(message.components)
        while pending:
            component = pending.pop()
            if component.get("custom_id") == custom_id:
                return int(component["type"])
            pending += component.get("components", [])
            pending += filter(None, [component.get("accessory")])
        raise LookupError(f"message {message.id} has no component {custom_id!r}")

    def _command_data(self, place: Place, name: str, kind: int) -> Json:
        guild_id = self._world.channels[place.channel_id].guild_id
        for scope in (guild_id, None):
            for command in self._world.commands.get(scope, []):
                if (command["name"], command["type"]) == (name, kind):
                    return {"id": command["id"], "name": name, "type": kind}
        known = sorted(c["name"] for all_ in self._world.commands.values() for c in all_)
        raise LookupError(f"no command {name!r} of type {kind} is registered, only {known}")

    def _deliver(self, place: Place, kind: int, data: Json) -> Interaction:
        interaction = Interaction(
            id=self._world.ids.make(),
            token=secrets.token_urlsafe(24),
            kind=kind,
            channel_id=place.channel_id,
            user_id=place.user_id,
            data=data,
            created_at_s=self._world.settings.clock(),
            message_id=place.message_id,
            locale=place.locale,
            is_user_install=place.is_user_install,
        )
        self._world.interactions[interaction.id] = interaction
        # What a user install does comes to the first shard, as direct messages do.
        guild_id = self._world.channels[place.channel_id].guild_id
        if place.is_user_install:
            guild_id = None

        def build(_intents: int) -> Json:
            return payloads.interaction_json(self._world, interaction)

        self._world.emit(Event("INTERACTION_CREATE", build, guild_id))
        return interaction

    # ------------------------------------------------------------------ what the bot answers

    def routes(self) -> list[Route]:
        """Return all endpoints of this file; the token in the path is the authorization."""
        endpoints = [
            ("POST", CALLBACK, self._respond),
            ("POST", WEBHOOK, self._follow_up),
            ("GET", WEBHOOK_MESSAGE, self._get_answer),
            ("PATCH", WEBHOOK_MESSAGE, self._edit_answer),
            ("DELETE", WEBHOOK_MESSAGE, self._delete_answer),
        ]
        return [Route(*endpoint, is_open=True, is_counted=False) for endpoint in endpoints]

    def _respond(self, call: Call) -> Answer:
        interaction = self._find_fresh(call)
        if interaction.response is not None:
            raise api_error(400, errors.ALREADY_ACKNOWLEDGED)
        message = self._apply(interaction, call)
        interaction.response = call.body
        if not _wants_body(call, "with_response"):
            return Answer()
        return Answer(self._callback_json(interaction, message))

    def _find_fresh(self, call: Call) -> Interaction:
        interaction = self._world.interactions.get(call.get_id("interaction_id"))
        if interaction is None or interaction.token != call.params["token"]:
            raise not_found(errors.UNKNOWN_INTERACTION)
        age_s = self._world.settings.clock() - interaction.created_at_s
        if interaction.response is None and age_s > self._world.settings.first_response_s:
            raise not_found(errors.UNKNOWN_INTERACTION)
        return interaction

    def _apply(self, interaction: Interaction, call: Call) -> Message | None:
        """Do what a first response asks for; return the message it made or changed."""
        kind = call.body.get("type")
        data = call.body.get("data") or {}
        if kind == ANSWER_MESSAGE:
            return self._post(interaction, call, data)
        if kind == ANSWER_FORM:
            check_form(data)
        if kind == ANSWER_DEFERRED:
            flags = limits.MESSAGE_LOADING | (
                int(data.get("flags") or 0) & limits.MESSAGE_EPHEMERAL
            )
            return self._publish(interaction, self._new_answer(interaction, flags))
        if kind in {ANSWER_DEFERRED_UPDATE, ANSWER_UPDATE} and interaction.message_id:
            interaction.message_ids.append(interaction.message_id)
            message = self._world.all_messages[interaction.message_id]
            if kind == ANSWER_UPDATE:
                self._edit(message, call, data)
            return message
        return None

    def _post(self, interaction: Interaction, call: Call, data: Json) -> Message:
        draft = read_draft(data, call.record.files, INTERACTION_DEFAULT)
        message = self._new_answer(interaction, draft.flags)
        self._world.fill(message, draft)
        return self._publish(interaction, message, allowed=draft.allowed)

    def _new_answer(self, interaction: Interaction, flags: int) -> Message:
        message = Message(
            self._world.ids.make(), interaction.channel_id, self._world.bot.id, "", flags=flags
        )
        message.interaction_id = interaction.id
        if flags & limits.MESSAGE_EPHEMERAL:
            message.ephemeral_to = interaction.user_id
        if interaction.kind == COMMAND:
            is_slash = interaction.data["type"] == SLASH
            menu = MessageKind.CONTEXT_MENU_COMMAND
            message.kind = MessageKind.CHAT_INPUT_COMMAND if is_slash else menu
        return message

    def _publish(
        self,
        interaction: Interaction,
        message: Message,
        allowed: AllowedMentions = INTERACTION_DEFAULT,
    ) -> Message:
        interaction.message_ids.append(message.id)
        self._world.publish(message, allowed)
        return message

    def _callback_json(self, interaction: Interaction, message: Message | None) -> Json:
        kind = (interaction.response or {}).get("type")
        facts: Json = {"id": str(interaction.id), "type": interaction.kind}
        body: Json = {"interaction": facts}
        if message is not None:
            facts["response_message_id"] = str(message.id)
            facts["response_message_loading"] = message.is_loading
            facts["response_message_ephemeral"] = message.is_ephemeral
            body["resource"] = {"type": kind, "message": self._show(message)}
        return body

    # ------------------------------------------------------------------ the webhook

    def _find(self, call: Call) -> Interaction:
        """Return the interaction whose webhook this is.

        Raises:
            ApiError: unknown, not yet answered, or its fifteen minutes are over.
        """
        token = call.params["token"]
        found = (i for i in self._world.interactions.values() if i.token == token)
        interaction = next(found, None)
        is_ours = call.get_id("application_id") == self._world.application_id
        if interaction is None or not is_ours or interaction.response is None:
            raise not_found(errors.UNKNOWN_WEBHOOK)
        age_s = self._world.settings.clock() - interaction.created_at_s
        if age_s > self._world.settings.interaction_token_s:
            raise api_error(401, errors.INVALID_WEBHOOK_TOKEN)
        return interaction

    def _find_answer(self, call: Call) -> Message:
        interaction = self._find(call)
        ids = interaction.message_ids
        wanted = call.params["message_id"]
        message_id = next(iter(ids), 0) if wanted == "@original" else call.get_id("message_id")
        message = self._world.all_messages.get(message_id)
        if message is None or message_id not in ids or message.deleted:
            raise not_found(errors.UNKNOWN_MESSAGE)
        return message

    def _follow_up(self, call: Call) -> Answer:
        """Post a further answer; the first one after a deferral takes the deferred one's place."""
        interaction = self._find(call)
        original = self._world.all_messages.get(next(iter(interaction.message_ids), 0))
        if original is not None and original.is_loading and not original.deleted:
            self._edit(original, call, call.body)
            message = original
        else:
            message = self._post(interaction, call, call.body)
        return Answer(self._show(message)) if _wants_body(call, "wait") else Answer()

    def _get_answer(self, call: Call) -> Answer:
        return Answer(self._show(self._find_answer(call)))

    def _edit_answer(self, call: Call) -> Answer:
        message = self._find_answer(call)
        self._edit(message, call, call.body)
        return Answer(self._show(message))

    def _delete_answer(self, call: Call) -> Answer:
        self._world.delete(self._find_answer(call))
        return Answer()

    def _edit(self, message: Message, call: Call, data: Json) -> None:
        """Change an answer; a deferred one stops "thinking", and that is not an earlier text."""
        edit = read_edit(message, data, call.record.files, INTERACTION_DEFAULT)
        is_first = message.is_loading
        flags = message.flags if edit.flags is None else edit.flags
        kept = message.flags & limits.MESSAGE_EPHEMERAL
        self._world.edit(message, replace(edit, flags=(flags & ~limits.MESSAGE_LOADING) | kept))
        if is_first:
            message.edits.clear()

    def _show(self, message: Message) -> Json:
        return payloads.message_json(self._world, message, has_content_intent=True)


def _field(custom_id: str, value: Input) -> Json:
    """What was put into one field of a form."""
    given: Json = {"type": TEXT_INPUT, "custom_id": custom_id, "value": value}
    if isinstance(value, list):
        chosen = [str(each.id) if isinstance(each, Role) else each for each in value]
        kind = ROLE_SELECT if any(isinstance(each, Role) for each in value) else SELECT
        given = {"type": kind, "custom_id": custom_id, "values": chosen}
    return {"type": LABEL, "component": given}


def _wants_body(call: Call, name: str) -> bool:
    return call.record.query.get(name, "").lower() in {"1", "true"}
