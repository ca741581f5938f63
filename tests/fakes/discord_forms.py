"""Reads and refuses what a bot wants to post, by the limits of Message (Create Message).

Pure: a request body in, a Draft out, or the ApiError that Discord would answer.
"""

from dataclasses import dataclass, field

from tests.fakes import discord_settings as limits
from tests.fakes.discord_commands import check_rows
from tests.fakes.discord_errors import (
    EMPTY_MESSAGE,
    api_error,
    form_error,
    read_number,
    required,
    too_long,
)
from tests.fakes.discord_mentions import (
    REGULAR_DEFAULT,
    AllowedMentions,
    component_texts,
    count_components,
    parse_allowed_mentions,
)
from tests.fakes.discord_model import Attachment, Message, UploadedFile
from tests.fakes.discord_settings import Json


@dataclass(frozen=True, slots=True)
class Draft:
    """A checked post. `reference` is not yet looked up."""

    content: str = ""
    nonce: str | int | None = None
    is_nonce_enforced: bool = False
    flags: int = 0
    embeds: list[Json] = field(default_factory=list)
    components: list[Json] = field(default_factory=list)
    attachments: list[Attachment] = field(default_factory=list)
    allowed: AllowedMentions = REGULAR_DEFAULT
    reference: int | None = None
    is_reference_required: bool = True


@dataclass(frozen=True, slots=True)
class Edit:
    """A checked change of a message; None leaves a field as it is."""

    content: str | None = None
    embeds: list[Json] | None = None
    components: list[Json] | None = None
    kept_attachments: list[Attachment] | None = None
    new_attachments: list[Attachment] = field(default_factory=list)
    flags: int | None = None
    allowed: AllowedMentions = REGULAR_DEFAULT


def read_draft(body: Json, files: tuple[UploadedFile, ...], default: AllowedMentions) -> Draft:
    """Return the post that a request describes.

    Raises:
        ApiError: Discord would refuse it.
    """
    reference, is_reference_required = _read_reference(body)
    draft = Draft(
        content=read_content(body),
        nonce=_read_nonce(body),
        is_nonce_enforced=bool(body.get("enforce_nonce", False)),
        flags=read_number("flags", body.get("flags") or 0),
        embeds=read_embeds(body),
        components=list(body.get("components") or ()),
        attachments=read_attachments(files, body),
        allowed=parse_allowed_mentions(body, default),
        reference=reference,
        is_reference_required=is_reference_required,
    )
    check_components(draft.components, draft.flags, body)
    parts = (draft.content, draft.embeds, draft.components, draft.attachments)
    if not any((*parts, body.get("sticker_ids"), body.get("poll"))):
        raise api_error(400, EMPTY_MESSAGE)
    return draft


def read_content(body: Json) -> str:
    """Return the trimmed content. Its length is checked in code points, before trimming."""
    content = body.get("content")
    if content is None:
        return ""
    text = str(content)
    if len(text) > limits.MAX_CONTENT_CHARS:
        raise too_long("content", limits.MAX_CONTENT_CHARS)
    return text.strip()


def _read_nonce(body: Json) -> str | int | None:
    nonce = body.get("nonce")
    if nonce is None:
        return None
    # The two codes are quoted in pull request 1158 of the documentation's repository.
    if isinstance(nonce, bool) or not isinstance(nonce, str | int):
        raise form_error(
            "nonce", "NONCE_TYPE_INVALID_TYPE", "This field must be a string or integer."
        )
    if len(str(nonce)) > limits.MAX_NONCE_CHARS:
        text = f"Must be {limits.MAX_NONCE_CHARS} or fewer characters long."
        raise form_error("nonce", "NONCE_TYPE_TOO_LONG", text)
    return nonce


def _read_reference(body: Json) -> tuple[int | None, bool]:
    reference = body.get("message_reference")
    if reference is None:
        return None, True
    if not isinstance(reference, dict):
        raise form_error(
            "message_reference", "MODEL_TYPE_CONVERT", "Expected an object/dictionary."
        )
    if reference.get("message_id") is None:
        raise required("message_reference.message_id")
    message_id = read_number("message_reference.message_id", reference["message_id"])
    return message_id, bool(reference.get("fail_if_not_exists", True))


def read_embeds(body: Json) -> list[Json]:
    """Return the embeds, checked against Message (Embed Limits)."""
    embeds: list[Json] = list(body.get("embeds") or ())
    if len(embeds) > limits.MAX_EMBEDS:
        raise too_long("embeds", limits.MAX_EMBEDS)
    for index, embed in enumerate(embeds):
        if len(embed.get("description") or "") > limits.MAX_EMBED_DESCRIPTION_CHARS:
            path = f"embeds.{index}.description"
            raise too_long(path, limits.MAX_EMBED_DESCRIPTION_CHARS)
    if sum(_count_embed_chars(embed) for embed in embeds) > limits.MAX_EMBEDS_TOTAL_CHARS:
        text = f"Embed size exceeds maximum size of {limits.MAX_EMBEDS_TOTAL_CHARS}"
        raise form_error("embeds", "MAX_EMBED_SIZE_EXCEEDED", text)
    return embeds


def _count_embed_chars(embed: Json) -> int:
    texts = [embed.get("title"), embed.get("description")]
    texts += [(embed.get("footer") or {}).get("text"), (embed.get("author") or {}).get("name")]
    for item in embed.get("fields") or ():
        texts += [item.get("name"), item.get("value")]
    return sum(len(text or "") for text in texts)


def check_components(components: list[Json], flags: int, body: Json) -> None:
    """Refuse too many components, and legacy fields beside components of the second version."""
    if count_components(components) > limits.MAX_COMPONENTS:
        raise too_long("components", limits.MAX_COMPONENTS)
    check_rows(components)
    if not flags & limits.MESSAGE_IS_COMPONENTS_V2:
        return
    for name in ("content", "embeds"):
        if body.get(name):
            code = "MESSAGE_CANNOT_USE_LEGACY_FIELDS_WITH_COMPONENTS_V2"
            text = f"The '{name}' field cannot be used when using MessageFlags.IS_COMPONENTS_V2"
            raise form_error(name, code, text)
    if sum(map(len, component_texts(components))) > limits.MAX_COMPONENTS_TEXT_CHARS:
        raise too_long("components", limits.MAX_COMPONENTS_TEXT_CHARS)


def read_attachments(files: tuple[UploadedFile, ...], body: Json) -> list[Attachment]:
    """Return uploaded files as attachments that have no id yet.

    ``attachments`` describes the file that was sent as ``files[N]`` under the id N: Reference,
    Uploading Files.
    """
    told = {f"files[{item.get('id')}]": item for item in body.get("attachments") or ()}
    return [
        Attachment(
            file.filename,
            file.content,
            file.content_type,
            description=told.get(file.field, {}).get("description"),
        )
        for file in files
    ]


def read_edit(
    message: Message, body: Json, files: tuple[UploadedFile, ...], default: AllowedMentions
) -> Edit:
    """Return the change that a PATCH describes (Message, Edit Message).

    Raises:
        ApiError: Discord would refuse it.
    """
    edit = Edit(
        content=read_content(body) if "content" in body else None,
        embeds=read_embeds(body) if "embeds" in body else None,
        components=list(body["components"] or ()) if "components" in body else None,
        kept_attachments=_read_kept_attachments(message, body),
        new_attachments=read_attachments(files, body),
        flags=_read_new_flags(message, body),
        allowed=parse_allowed_mentions(body, default),
    )
    flags = message.flags if edit.flags is None else edit.flags
    check_components(edit.components or [], flags, body)
    if _is_empty_after(message, edit):
        raise api_error(400, EMPTY_MESSAGE)
    return edit


def _is_empty_after(message: Message, edit: Edit) -> bool:
    pairs: list[tuple[object, object]] = [
        (edit.content, message.content),
        (edit.embeds, message.embeds),
        (edit.components, message.components),
        (edit.kept_attachments, message.attachments),
    ]
    is_left = any(old if new is None else new for new, old in pairs)
    return not is_left and not edit.new_attachments


def _read_kept_attachments(message: Message, body: Json) -> list[Attachment] | None:
    """Return the attachments that the request names by id, None if it names none at all."""
    if "attachments" not in body:
        return None
    kept = {str(item.get("id")) for item in body["attachments"] or ()}
    return [item for item in message.attachments if str(item.id) in kept]


def _read_new_flags(message: Message, body: Json) -> int | None:
    """Component Reference: once set, IS_COMPONENTS_V2 cannot be taken away."""
    if body.get("flags") is None:
        return None
    sticky = limits.MESSAGE_IS_COMPONENTS_V2 | limits.MESSAGE_HAS_THREAD
    return read_number("flags", body["flags"]) | (message.flags & sticky)
