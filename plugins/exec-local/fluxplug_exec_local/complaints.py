"""What a command says on standard error, from a pipe to a log of bounded length.

Used for the commands that lead to other hosts (`remote`). Neither a flood nor a reader that is slow is a load for the server: one read at a time,
with a pause after it, in which the command waits once the pipe is full.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

#: A log that would be longer becomes NAME.1, in place of the one before, and another begins.
MAX_LOG = 1 << 20
#: Seconds between two reads, of CHUNK bytes at most: all that a pipe holds.
PAUSE = 0.05
CHUNK = 1 << 16
#: So much of the last that was said is remembered.
MAX_LAST = 4096


class Complaints:
    """One command's standard error, appended to the log at `path`. `last` is its end, up to MAX_LAST bytes.

    The descriptor, a pipe's end to read from, belongs to it until `close`, or the end of what it gives. Needs a running loop.
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        self.last = b""
        self._path = path
        self._fd = descriptor
        self._timer: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        os.set_blocking(descriptor, False)
        self._listen()

    def drain(self) -> None:
        """Take what the command has said until now, at most CHUNK bytes."""
        if self._fd < 0:
            return
        try:
            data = os.read(self._fd, CHUNK)
        except BlockingIOError:
            return
        if not data:
            self.close()
            return
        self.last = (self.last + data)[-MAX_LAST:]
        with suppress(OSError):  # a full disk, for one
            self._append(data)

    def close(self) -> None:
        """Listen no more. May be called again."""
        if self._fd < 0:
            return
        self._loop.remove_reader(self._fd)
        if self._timer is not None:
            self._timer.cancel()
        os.close(self._fd)
        self._fd = -1

    def _listen(self) -> None:
        self._timer = None
        self._loop.add_reader(self._fd, self._heard)

    def _heard(self) -> None:
        self.drain()
        if self._fd >= 0:
            self._loop.remove_reader(self._fd)
            self._timer = self._loop.call_later(PAUSE, self._listen)

    def _append(self, data: bytes) -> None:
        descriptor = _opened(self._path)
        try:
            if os.fstat(descriptor).st_size + len(data) > MAX_LOG:
                self._path.replace(f"{self._path}.1")
                os.close(descriptor)
                descriptor = -1
                descriptor = _opened(self._path)
            os.write(descriptor, data)
        finally:
            if descriptor >= 0:
                os.close(descriptor)


def _opened(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
