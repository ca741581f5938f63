"""The console's sentences of a child that is started again and again: each is said once."""

import os
from typing import IO

SPOKEN = b"parley: "
PIECE_BYTES = 65_536


class Relay:
    """Passes children's standard error on, without the sentences that were said already.

    Read by ``pump``, without a thread: the launcher has one, since the kernel takes the end of the
    thread that started a child for the end of its parent.
    """

    def __init__(self, out: IO[bytes]) -> None:
        """Open the pipe.

        Args:
            out: where to, such as our own standard error.
        """
        self._out = out
        self._read_end, self.write_end = os.pipe()
        os.set_blocking(self._read_end, False)
        self._rest = b""
        self._said: set[bytes] = set()

    def pump(self) -> None:
        """Pass on what has come."""
        while piece := self._read():
            *lines, self._rest = [*(self._rest + piece).splitlines(keepends=True), b""]
            if lines and not lines[-1].endswith((b"\n", b"\r")):
                self._rest = lines.pop()
            for line in lines:
                self._pass_on(line)

    def say(self, sentence: str) -> None:
        """Say a sentence, if it was not said."""
        self._pass_on(SPOKEN + sentence.encode() + b"\n")

    def forget(self) -> None:
        """Let all sentences be said once more."""
        self._said.clear()

    def close(self) -> None:
        """Pass on the rest and close the pipe."""
        self.pump()
        self._pass_on(self._rest)
        os.close(self._read_end)
        os.close(self.write_end)

    def _read(self) -> bytes:
        try:
            return os.read(self._read_end, PIECE_BYTES)
        except BlockingIOError:
            return b""

    def _pass_on(self, line: bytes) -> None:
        if line.startswith(SPOKEN):
            if line in self._said:
                return
            self._said.add(line)
        self._out.write(line)
        self._out.flush()
