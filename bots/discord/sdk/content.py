"""The content of our messages, as discord.py sends it."""

import base64
import io

import discord
import discord.http

from bots.delivery.surface import Piece
from bots.discord.sdk.buttons import buttons_of
from bots.discord.sdk.client import NOBODY
from bots.discord.sdk.convert import upload_of
from shared.jobs import Job

MAX_NONCES = 5
"""The number of times that a part is posted again after people deleted it."""


def content_of(
    job: Job, piece: Piece, *, is_ephemeral: bool = False
) -> discord.http.MultipartParameters:
    """The complete content of a message, which also removes outdated buttons."""
    flags = discord.MessageFlags(suppress_embeds=True)
    flags.ephemeral = is_ephemeral
    return discord.http.handle_message_parameters(
        piece.text,
        files=files_of(piece),
        allowed_mentions=NOBODY,
        flags=flags,
        view=buttons_of(job.id, piece.controls),
    )


def files_of(piece: Piece) -> list[discord.File]:
    """The files of a message."""
    files = []
    if picture := piece.picture:
        content = io.BytesIO(base64.b64decode(picture.content))
        files.append(discord.File(content, picture.name, description=picture.description))
    if document := piece.document:
        files.append(upload_of(document))
    return files


def nonces_of(job: Job, part: int) -> list[str]:
    """The nonces of a part, one for each posting."""
    name = job.id if part == 0 else f"{job.id}-{part}"
    return [name, *(f"{name}{again}" for again in "abcdefgh"[: MAX_NONCES - 1])]


def reference_of(job: Job) -> discord.MessageReference:
    """The message that an answer replies to."""
    return discord.MessageReference(
        message_id=int(job.origin.message),
        channel_id=int(job.origin.channel),
        fail_if_not_exists=False,
    )
