"""Transport compression of the gateway: each frame in its own flush of one long stream.

Source: Gateway (Transport Compression). A client asks with `compress=` in the address. discord.py
asks for zstd-stream where it finds a zstd library, else for zlib-stream.
"""

import struct
import zlib
from typing import Protocol

# RFC 8878, section 3.1.1: the magic number; a header without size or checksum; a 1 MiB window.
_ZSTD_HEADER = struct.pack("<I", 0xFD2FB528) + bytes([0x00, 0x50])
# RFC 8878, section 3.1.1.2: a block is at most 128 KiB.
_ZSTD_BLOCK_BYTES = 128 * 1024


class Stream(Protocol):
    """Packs one text after another for one connection."""

    def pack(self, text: str) -> bytes:
        """Return the bytes of one websocket message."""


class ZlibStream:
    """zlib with a sync flush after each message."""

    def __init__(self) -> None:
        self._compressor = zlib.compressobj()

    def pack(self, text: str) -> bytes:
        """Return the bytes of one websocket message."""
        packed = self._compressor.compress(text.encode())
        return packed + self._compressor.flush(zlib.Z_SYNC_FLUSH)


class ZstdStream:
    """A valid zstd frame of raw blocks: nothing is made smaller, and no zstd library is needed."""

    def __init__(self) -> None:
        self._header = _ZSTD_HEADER

    def pack(self, text: str) -> bytes:
        """Return the bytes of one websocket message."""
        data = text.encode()
        blocks = [self._header]
        self._header = b""
        for start in range(0, len(data), _ZSTD_BLOCK_BYTES):
            block = data[start : start + _ZSTD_BLOCK_BYTES]
            # Bit 0: last block, never; bits 1 and 2: type, 0 is raw; then the size
            blocks += [struct.pack("<I", len(block) << 3)[:3], block]
        return b"".join(blocks)


def make_stream(name: str) -> Stream | None:
    """Return the stream a client asked for, None for plain text."""
    if name == "zlib-stream":
        return ZlibStream()
    if name == "zstd-stream":
        return ZstdStream()
    return None
