"""Turns stored things into the JSON that Discord sends: objects of the HTTP API and of events.

Reads the world and never changes it. Ids become strings; fields that discord.py or another
library needs are always there, optional ones the fake has no use for are not.
"""

from typing import TYPE_CHECKING

from tests.fakes.discord_mentions import mentioned_role_ids, mentioned_user_ids
from tests.fakes.discord_model import (
    Attachment,
    Channel,
    Guild,
    Interaction,
    Message,
    MessageKind,
    Role,
    User,
    snowflake_time,
)
from tests.fakes.discord_settings import MAX_REQUEST_BYTES, Json

if TYPE_CHECKING:
    from tests.fakes.discord_world import World

# Permissions: every bit that exists. Everybody has all of them but Administrator, which no
# overwrite could take anything from.
ALL_PERMISSIONS = str((1 << 51) - 1)
ADMINISTRATOR = 1 << 3
ROLE_PERMISSIONS = str(int(ALL_PERMISSIONS) & ~ADMINISTRATOR)
MEMBER_OVERWRITE = 1
LOCALE = "en-US"


def user_json(user: User) -> Json:
    """Return a User object."""
    return {
        "id": str(user.id),
        "username": user.name,
        "discriminator": "0",
        "global_name": None if user.bot else user.name,
        "avatar": None,
        "bot": user.bot,
        "system": False,
        "public_flags": 0,
        "banner": None,
        "accent_color": None,
    }


def own_user_json(user: User) -> Json:
    """Return the bot's own User object, as `/users/@me` and READY give it."""
    own = {"verified": True, "mfa_enabled": True, "locale": LOCALE, "flags": 0, "email": None}
    return user_json(user) | own


def member_json(guild: Guild, user_id: int) -> Json:
    """Return a Guild Member object without its user."""
    return {
        "nick": None,
        "avatar": None,
        "roles": [str(role) for role in guild.members.get(user_id, ())],
        "joined_at": snowflake_time(guild.id).isoformat(),
        "premium_since": None,
        "deaf": False,
        "mute": False,
        "pending": False,
        "flags": 0,
        "communication_disabled_until": None,
    }


def member_with_user_json(world: "World", guild: Guild, user_id: int) -> Json:
    """Return a Guild Member object with its user."""
    return member_json(guild, user_id) | {"user": user_json(world.users[user_id])}


def role_json(role: Role, position: int) -> Json:
    """Return a Role object."""
    return {
        "id": str(role.id),
        "name": role.name,
        "color": 0,
        "colors": {"primary_color": 0, "secondary_color": None, "tertiary_color": None},
        "hoist": False,
        "icon": None,
        "unicode_emoji": None,
        "position": position,
        "permissions": ROLE_PERMISSIONS,
        "managed": False,
        "mentionable": role.mentionable,
        "flags": 0,
    }


def channel_json(world: "World", channel: Channel) -> Json:
    """Return a Channel object: of a direct message, a thread or a guild's channel."""
    last = channel.last_message_id
    common: Json = {
        "id": str(channel.id),
        "type": int(channel.kind),
        "last_message_id": None if last is None else str(last),
        "flags": 0,
    }
    if channel.recipient_id is not None:
        return common | {"recipients": [user_json(world.users[channel.recipient_id])]}
    common |= {
        "guild_id": str(channel.guild_id),
        "name": channel.name,
        "parent_id": None if channel.parent_id is None else str(channel.parent_id),
        "rate_limit_per_user": 0,
    }
    if channel.is_thread:
        return common | _thread_fields(world, channel)
    overwrites = [
        {"id": str(user), "type": MEMBER_OVERWRITE, "allow": "0", "deny": str(bits)}
        for user, bits in channel.denied.items()
    ]
    extras = {"position": 0, "topic": None, "nsfw": False}
    return common | extras | {"permission_overwrites": overwrites}


def _thread_fields(world: "World", channel: Channel) -> Json:
    created = snowflake_time(channel.id).isoformat()
    num_messages = sum(not m.deleted for m in world.messages_in(channel.id))
    return {
        "owner_id": str(channel.owner_id),
        "member_count": 1,
        "message_count": num_messages,
        "total_message_sent": num_messages,
        "applied_tags": [],
        "thread_metadata": {
            "archived": False,
            "auto_archive_duration": 1440,
            "archive_timestamp": created,
            "create_timestamp": created,
            "locked": False,
        },
    }


def guild_json(world: "World", guild: Guild, *, has_all_members: bool) -> Json:
    """Return a Guild object as GUILD_CREATE carries it.

    Without the GUILD_MEMBERS intent the bot is the only member listed (Gateway Events).
    """
    shown = guild.members if has_all_members else [world.bot.id]
    channels = [c for c in world.channels.values() if c.guild_id == guild.id]
    return {
        "id": str(guild.id),
        "name": guild.name,
        "owner_id": str(guild.owner_id),
        "icon": None,
        "splash": None,
        "description": None,
        "afk_channel_id": None,
        "afk_timeout": 300,
        "verification_level": 0,
        "default_message_notifications": 0,
        "explicit_content_filter": 0,
        "mfa_level": 0,
        "nsfw_level": 0,
        "premium_tier": 0,
        "preferred_locale": LOCALE,
        "system_channel_id": None,
        "system_channel_flags": 0,
        "features": [],
        "emojis": [],
        "stickers": [],
        "roles": [role_json(role, i) for i, role in enumerate(guild.roles.values())],
        "joined_at": snowflake_time(guild.id).isoformat(),
        "large": False,
        "unavailable": False,
        "member_count": len(guild.members),
        "members": [member_with_user_json(world, guild, user) for user in shown],
        "channels": [channel_json(world, c) for c in channels if not c.is_thread],
        "threads": [channel_json(world, c) for c in channels if c.is_thread],
        "presences": [],
        "voice_states": [],
        "stage_instances": [],
        "guild_scheduled_events": [],
        "soundboard_sounds": [],
    }


def attachment_json(world: "World", message: Message, attachment: Attachment) -> Json:
    """Return an Attachment object whose address the fake serves."""
    place = f"{message.channel_id}/{attachment.id}/{attachment.filename}"
    return file_json(f"{world.attachments_url}/{place}", attachment)


def file_json(url: str, attachment: Attachment) -> Json:
    """Return an Attachment object of this address."""
    told = {} if attachment.description is None else {"description": attachment.description}
    return told | {
        "id": str(attachment.id),
        "filename": attachment.filename,
        "size": len(attachment.content),
        "content_type": attachment.content_type,
        "url": url,
        "proxy_url": url,
    }


def emoji_json(emoji: str) -> Json:
    """Return a partial Emoji object: of a Unicode emoji or of `name:id`."""
    name, _, custom_id = emoji.partition(":")
    return {"id": custom_id or None, "name": name, "animated": False}


def _reaction_json(emoji: str, user_ids: list[int], bot_id: int) -> Json:
    return {
        "emoji": emoji_json(emoji),
        "count": len(user_ids),
        "count_details": {"burst": 0, "normal": len(user_ids)},
        "me": bot_id in user_ids,
        "me_burst": False,
        "burst_colors": [],
    }


def message_json(world: "World", message: Message, *, has_content_intent: bool) -> Json:
    """Return a Message object, with `referenced_message` if it is a reply.

    What users wrote is blanked without the intent, but for direct messages, mentions of the bot
    and its own messages: Gateway (Message Content Intent).
    """
    is_shown = has_content_intent or world.is_content_exempt(message)
    body = _message_body(world, message, is_shown=is_shown)
    body |= _message_extras(world, message)
    if message.reference is None:
        return body
    channel = world.channels[message.channel_id]
    source = channel.parent_id if message.kind is MessageKind.THREAD_STARTER else channel.id
    body["message_reference"] = {
        "type": 0,
        "message_id": str(message.reference),
        "channel_id": str(source),
    } | _guild_field(channel)
    original = world.all_messages.get(message.reference)
    if original is None or original.deleted:
        body["referenced_message"] = None
        return body
    is_shown = has_content_intent or world.is_content_exempt(original)
    body["referenced_message"] = _message_body(world, original, is_shown=is_shown)
    return body


def _message_body(world: "World", message: Message, *, is_shown: bool) -> Json:
    mentioned = [world.users[i] for i in world.mentioned_ids(message) if i in world.users]
    edited = message.edited_at
    files = [attachment_json(world, message, item) for item in message.attachments]
    body = {
        "id": str(message.id),
        "channel_id": str(message.channel_id),
        "type": int(message.kind),
        "author": user_json(world.users[message.author_id]),
        "content": message.content if is_shown else "",
        "timestamp": snowflake_time(message.id).isoformat(),
        "edited_timestamp": None if edited is None else edited.isoformat(),
        "tts": False,
        "pinned": message.id in world.channels[message.channel_id].pins,
        "mention_everyone": "@everyone" in message.mentions or "@here" in message.mentions,
        "mentions": [user_json(user) for user in mentioned],
        "mention_roles": [str(role) for role in mentioned_role_ids(message.mentions)],
        "attachments": files if is_shown else [],
        "embeds": message.embeds if is_shown else [],
        "components": message.components if is_shown else [],
        "flags": message.flags,
    }
    omitted = world.settings.omitted
    return {name: value for name, value in body.items() if value or name not in omitted}


def _message_extras(world: "World", message: Message) -> Json:
    extras: Json = {}
    if message.nonce is not None:
        extras["nonce"] = message.nonce
    if message.reactions:
        extras["reactions"] = [
            _reaction_json(emoji, users, world.bot.id) for emoji, users in message.reactions.items()
        ]
    if message.thread_id is not None:
        extras["thread"] = channel_json(world, world.channels[message.thread_id])
    if message.interaction_id is not None:
        interaction = world.interactions[message.interaction_id]
        extras["application_id"] = str(world.application_id)
        extras["webhook_id"] = str(world.application_id)
        extras["interaction_metadata"] = {
            "id": str(interaction.id),
            "type": interaction.kind,
            "user": user_json(world.users[interaction.user_id]),
            "authorizing_integration_owners": {},
        }
    return extras


def _guild_field(channel: Channel) -> Json:
    return {} if channel.guild_id is None else {"guild_id": str(channel.guild_id)}


def message_event_json(world: "World", message: Message, *, has_content_intent: bool) -> Json:
    """Return a message as MESSAGE_CREATE and MESSAGE_UPDATE carry it: with guild and members."""
    channel = world.channels[message.channel_id]
    body = message_json(world, message, has_content_intent=has_content_intent)
    body |= _guild_field(channel) | {"channel_type": int(channel.kind)}
    if channel.guild_id is None:
        return body
    guild = world.guilds[channel.guild_id]
    body["member"] = member_json(guild, message.author_id)
    for user in body["mentions"]:
        user["member"] = member_json(guild, int(user["id"]))
    return body


def deletion_json(world: "World", message: Message) -> Json:
    """Return what MESSAGE_DELETE carries."""
    place = {"id": str(message.id), "channel_id": str(message.channel_id)}
    return place | _guild_field(world.channels[message.channel_id])


def pins_event_json(channel: Channel) -> Json:
    """Return what CHANNEL_PINS_UPDATE carries."""
    place = {"channel_id": str(channel.id)} | _guild_field(channel)
    last = next(reversed(channel.pins.values()), None)
    return place | {"last_pin_timestamp": last.isoformat() if last else None}


def reaction_event_json(world: "World", message: Message, user_id: int, emoji: str) -> Json:
    """Return what MESSAGE_REACTION_ADD and MESSAGE_REACTION_REMOVE carry."""
    channel = world.channels[message.channel_id]
    body: Json = {
        "user_id": str(user_id),
        "channel_id": str(channel.id),
        "message_id": str(message.id),
        "message_author_id": str(message.author_id),
        "emoji": emoji_json(emoji),
        "burst": False,
        "type": 0,
    }
    if channel.guild_id is not None:
        guild = world.guilds[channel.guild_id]
        body["member"] = member_with_user_json(world, guild, user_id)
    return body | _guild_field(channel)


def interaction_json(world: "World", interaction: Interaction) -> Json:
    """Return an Interaction object; the message it hangs on is never blanked."""
    channel = world.channels[interaction.channel_id]
    body: Json = {
        "id": str(interaction.id),
        "application_id": str(world.application_id),
        "type": interaction.kind,
        "token": interaction.token,
        "version": 1,
        "data": interaction.data,
        "channel_id": str(channel.id),
        "channel": channel_json(world, channel) | {"permissions": ALL_PERMISSIONS},
        "app_permissions": ALL_PERMISSIONS,
        "locale": LOCALE,
        "entitlements": [],
        "attachment_size_limit": MAX_REQUEST_BYTES,
        "context": 0 if channel.guild_id else 1,
        "authorizing_integration_owners": {"0": str(channel.guild_id or 0)},
    }
    if interaction.is_user_install:
        body["authorizing_integration_owners"] = {"1": str(interaction.user_id)}
    if interaction.locale:
        body["locale"] = interaction.locale
    if interaction.message_id is not None:
        message = world.all_messages[interaction.message_id]
        body["message"] = message_json(world, message, has_content_intent=True)
    if channel.guild_id is None:
        return body | {"user": user_json(world.users[interaction.user_id])}
    guild = world.guilds[channel.guild_id]
    member = member_with_user_json(world, guild, interaction.user_id)
    return body | {
        "guild_id": str(guild.id),
        "guild": {"id": str(guild.id), "locale": LOCALE, "features": []},
        "guild_locale": LOCALE,
        "member": member | {"permissions": _permissions_in(channel, interaction.user_id)},
    }


def _permissions_in(channel: Channel, user_id: int) -> str:
    """What a member may do in a channel: all but what was taken from them there."""
    return str(int(ROLE_PERMISSIONS) & ~channel.denied.get(user_id, 0))


def application_json(world: "World") -> Json:
    """Return the Application object; `flags` tell which privileged intents are on."""
    return {
        "id": str(world.application_id),
        "name": world.bot.name,
        "icon": None,
        "description": "A bot under test.",
        "bot_public": False,
        "bot_require_code_grant": False,
        "verify_key": "0" * 64,
        "flags": world.settings.application_flags,
        "owner": user_json(world.owner),
        "team": None,
        "approximate_guild_count": len(world.guilds),
        "bot": user_json(world.bot),
    }


def mentioned_in(message: Message, original: Message | None) -> list[int]:
    """Return the ids of users a message mentions now, the replied-to author included."""
    ids = mentioned_user_ids(message.mentions)
    if original is not None and message.is_reply_ping and original.author_id not in ids:
        ids.append(original.author_id)
    return ids
