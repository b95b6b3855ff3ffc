"""The input of a task: what users send, written into its pipe as fast as it reads.

What does not fit the pipe waits in memory, and beyond a limit in an unlinked file, so that a large input does not make a large agent.
"""

from __future__ import annotations

import os
from select import EPOLLOUT
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fluxplug_exec_local.agent import Agent

#: Input of a task that waits in memory; more goes to a file.
MAX_MEMORY = 1 << 20
_CHUNK = 65536


class Stdin:
    """The write end `fd` of a task's input; open until `eof` or until the task has ended."""

    __slots__ = ("_agent", "_buffer", "_eof", "_file", "_read", "_watched", "_written", "fd")

    def __init__(self, agent: Agent, fd: int) -> None:
        self.fd = fd
        self._agent = agent
        self._buffer = b""
        self._eof = False
        self._file: Any = None
        self._read = self._written = 0
        self._watched = False

    def write(self, data: bytes, *, eof: bool) -> None:
        """Add input, and with `eof` the end of it. Nothing happens after the end."""
        if self.fd < 0 or self._eof:
            return
        if not self._watched:
            os.set_blocking(self.fd, False)
        self._eof = eof
        if self._file is not None or len(self._buffer) + len(data) > MAX_MEMORY:
            if self._file is None:
                import tempfile  # noqa: PLC0415 - loads much, and large inputs are rare

                self._file = tempfile.TemporaryFile(buffering=0, dir=f"{self._agent.statedir}/tmp")  # noqa: SIM115
            self._file.seek(0, os.SEEK_END)
            self._file.write(data)
            self._written += len(data)
        else:
            self._buffer += data
        self._flush(0)

    def close(self) -> None:
        """Nobody reads it any more, or everything is written."""
        if self.fd >= 0:
            self._agent.close(self.fd)
            self.fd = -1
        if self._file is not None:
            self._file.close()
            self._file = None
        self._buffer = b""

    def _flush(self, _: int) -> None:
        while self._fill():
            try:
                count = os.write(self.fd, self._buffer[:_CHUNK])
            except BlockingIOError:
                if not self._watched:
                    self._watched = True
                    self._agent.watch(self.fd, self._flush, EPOLLOUT)
                return
            except OSError:  # the task reads no more
                self.close()
                return
            self._buffer = self._buffer[count:]
        if self._eof:
            self.close()
        elif self._watched:
            self._watched = False
            self._agent.unwatch(self.fd)

    def _fill(self) -> bool:
        """Whether there is something to write; takes it from the file if need be."""
        if not self._buffer and self._file is not None and self._read < self._written:
            self._file.seek(self._read)
            self._buffer = self._file.read(_CHUNK)
            self._read += len(self._buffer)
            if self._read == self._written:
                self._file.seek(0)
                self._file.truncate()
                self._read = self._written = 0
        return bool(self._buffer)
