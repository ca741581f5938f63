"""Converts discord.py's objects into our plain data, and files into its own."""

import io
from collections.abc import Iterator

import discord

from bots.delivery.surface import TextFile
from bots.discord.parse.payloads import DiscordPlace, Facts, File
from bots.discord.views.buttons import job_of

PERSONS_TYPES = (discord.MessageType.default, discord.MessageType.reply)

Readable = discord.TextChannel | discord.VoiceChannel | discord.Thread


def channels_of(guild: discord.Guild) -> list[Readable]:
    """The places with messages that the gateway reports."""
    return [*guild.text_channels, *guild.voice_channels, *guild.threads]


def place_of(channel: discord.abc.Snowflake) -> DiscordPlace:
    """The place of a channel of any kind."""
    guild = getattr(channel, "guild", None)
    guild_id = guild.id if guild else getattr(channel, "guild_id", None)
    parent = channel.parent_id if isinstance(channel, discord.Thread) else None
    return DiscordPlace(guild_id, channel.id, parent)


def may_read(guild: discord.Guild, channel: Readable) -> bool:
    """Whether we may read it: too many refused calls close Discord to this machine."""
    if isinstance(channel, discord.Thread) and channel.parent is None:
        return False
    rights = channel.permissions_for(guild.me)
    return rights.view_channel and rights.read_message_history


def facts_of(message: discord.Message, me: discord.ClientUser | None) -> Facts:
    """A message, as seen by the bot ``me``."""
    reference = message.reference
    original = reference.resolved if reference else None
    role = message.guild.self_role if message.guild else None
    is_persons = message.type in PERSONS_TYPES and message.webhook_id is None
    names = {user.id: user.display_name for user in getattr(message, "mentions", ())}
    return Facts(
        place=place_of(message.channel),
        message=message.id,
        author=message.author.id,
        text=message.content,
        our_ids=frozenset(known.id for known in (me, role) if known),
        is_from_person=is_persons and not message.author.bot,
        is_from_bot=is_persons and message.author.bot,
        mentioned=frozenset({*message.raw_mentions, *message.raw_role_mentions}),
        pinged=frozenset(names),
        names=names | {role.id: role.name for role in getattr(message, "role_mentions", ())},
        reply_to=reference.message_id if reference else None,
        reply_to_author=original.author.id if isinstance(original, discord.Message) else None,
        roles=roles_of(message.author),
        knows_roles=isinstance(message.author, discord.Member),
        author_name=message.author.display_name,
        link=message.jump_url,
        files=files_of(message),
        replied_files=files_of(original) if isinstance(original, discord.Message) else (),
        replied_link=original.jump_url if isinstance(original, discord.Message) else "",
        job=job_of(_ids_of(message)),
        pinned_at_s=message.pinned_at.timestamp() if message.pinned_at else 0.0,
    )


def _ids_of(message: discord.Message) -> Iterator[str]:
    """The ids of a message's buttons.

    What a server leaves out of a message, discord.py leaves out of its object.
    """
    for row in getattr(message, "components", ()):
        if isinstance(row, discord.ActionRow):
            yield from filter(None, (child.custom_id for child in row.children))


def files_of(message: discord.Message) -> tuple[File, ...]:
    """The files of a message."""
    return tuple(map(file_of, message.attachments))


def file_of(attachment: discord.Attachment) -> File:
    """A file that a person attached."""
    media_type = attachment.content_type or ""
    return File(attachment.id, attachment.filename, attachment.size, attachment.url, media_type)


def roles_of(user: discord.abc.User) -> frozenset[int]:
    """The roles of a person in a server, but for the one that everybody has."""
    if not isinstance(user, discord.Member):
        return frozenset()
    return frozenset(role.id for role in user.roles if not role.is_default())


def upload_of(document: TextFile) -> discord.File:
    """A text file that is to be sent."""
    return discord.File(io.BytesIO(document.text.encode()), document.name)
