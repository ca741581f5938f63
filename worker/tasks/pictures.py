"""Pictures beside a question: told from other files by how they begin. Pure."""

import base64
import binascii
from collections.abc import Sequence

from shared.jobs import Attachment

MEDIA_TYPES = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF87a": "image/gif",
    b"GIF89a": "image/gif",
}
"""What models of 2026 take, by the first bytes of the file; WebP has its name behind its length."""
NUM_HEAD_CHARS = 16
"""Of base64: the first twelve bytes."""


def media_type_of(content: str) -> str:
    """The media type of a picture in base64; empty for anything else."""
    try:
        head = base64.b64decode(content[:NUM_HEAD_CHARS])
    except binascii.Error:
        return ""
    if head[:4] == b"RIFF" and head[8:] == b"WEBP":
        return "image/webp"
    return next((kind for mark, kind in MEDIA_TYPES.items() if head.startswith(mark)), "")


def pictures_of(attachments: Sequence[Attachment]) -> tuple[str, ...]:
    """The pictures among these, as ``data:`` URLs."""
    kinds = ((media_type_of(each.content), each.content) for each in attachments)
    return tuple(f"data:{kind};base64,{content}" for kind, content in kinds if kind)
