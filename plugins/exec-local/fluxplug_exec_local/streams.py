"""The output of a task, read from a pipe: into the job's log, or into a file, by lines or as it comes.

Text is logged as text and anything else as base64; a character that two reads have cut in two is put together. Reading stops while the agent
holds more than it may (`Agent.paused`), so that the task waits. Not here: who opens which file (`redirect`).
"""

from __future__ import annotations

import os
from base64 import b64encode
from select import EPOLLHUP, EPOLLIN
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fluxplug_exec_local.agent import Agent
    from fluxplug_exec_local.job import Job
    from fluxplug_exec_local.redirect import OutputFile

CHUNK = 65536
#: A read of more lines than this becomes one entry, so that a flood costs by its bytes and not by its lines.
MAX_SINGLE_LINES = 64
#: A line longer than this is passed on in pieces.
MAX_LINE = 65536


class Stream:
    """One stream (`stdout`, `stderr`) of one task, from the pipe's read end `fd` until all who could write have gone."""

    __slots__ = ("agent", "fd", "file", "job", "label", "lines", "name", "rank", "tail")

    def __init__(
        self,
        agent: Agent,
        job: Job,
        name: str,
        rank: str,
        fd: int,
        *,
        lines: bool,
        file: OutputFile | None,
        label: bool,
    ) -> None:
        self.agent = agent
        self.job = job
        self.name = name
        self.rank = rank
        self.fd = fd
        self.lines = lines
        self.file = file
        self.label = f"{rank}: ".encode() if label else b""
        self.tail = b""

    def ready(self, events: int) -> None:
        """Something can be read, or everybody has gone."""
        if not events & EPOLLIN:
            self.close()
            return
        if self.agent.paused:
            self.agent.wait_to_read(self)
            return
        data = os.read(self.fd, CHUNK)
        if not data:
            self.close()
            return
        self._take(data)
        # With nobody left to write, a short read was the rest.
        if events & EPOLLHUP and len(data) < CHUNK:
            self.close()

    def drain(self) -> None:
        """Read out what is there, and close, though somebody may still hold the pipe."""
        os.set_blocking(self.fd, False)
        try:
            while data := os.read(self.fd, CHUNK):
                self._take(data)
        except BlockingIOError:
            pass
        self.close()

    def close(self) -> None:
        """Pass on what is left, tell the end."""
        self.agent.close(self.fd)
        self.fd = -1
        if self.tail:
            self._pass(self.tail, last=True)
        self.job.stream_closed(self)

    def _take(self, data: bytes) -> None:
        data = self.tail + data if self.tail else data
        if not self.lines:
            self.tail = b""
            self._pass(data)
            return
        end = data.rfind(b"\n") + 1
        if not end and len(data) < MAX_LINE:
            self.tail = data
            return
        self.tail = data[end:] if end else b""
        whole = data[:end] if end else data
        if self.file is None and whole.count(b"\n") <= MAX_SINGLE_LINES:
            for line in whole.splitlines(keepends=True) if b"\r" not in whole else _lines(whole):
                self._pass(line)
        else:
            self._pass(whole)

    def _pass(self, data: bytes, *, last: bool = False) -> None:
        if self.file is not None:
            if self.label:
                data = b"".join(self.label + line for line in _lines(data))
            self.file.write(data)
            return
        allowed = self.job.admit(self.name, data)
        if not allowed:
            return
        last = last or len(allowed) < len(data)
        try:
            self.job.output(self.name, self.rank, allowed.decode())
        except UnicodeDecodeError as error:
            if last or error.end != len(allowed) or error.reason != "unexpected end of data":
                self.job.output(self.name, self.rank, b64encode(allowed).decode(), "base64")
                return
            # The rest of the character comes with the next read.
            if error.start:
                self.job.output(self.name, self.rank, allowed[: error.start].decode())
            self.tail = allowed[error.start :] + self.tail
            self.job.output_left[self.name] += len(allowed) - error.start


def _lines(data: bytes) -> list[bytes]:
    return [line + b"\n" for line in data.split(b"\n")[:-1]] + (
        [] if data.endswith(b"\n") else [data[data.rfind(b"\n") + 1 :]]
    )
