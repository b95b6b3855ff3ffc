"""The terminal of a task (`pty`): what it shows is the task's standard output, and what users send is typed into it.

The agent keeps both sides. While it holds the task's side, a task that closes its own and opens the terminal again finds it as it was; when
the task has ended, the terminal is hung up, whoever else may have it open. Loaded only for jobs that want terminals.
"""

from __future__ import annotations

import os
import struct
import termios
from fcntl import ioctl
from typing import TYPE_CHECKING

from fluxplug_exec_local.stdin import Stdin
from fluxplug_exec_local.streams import CHUNK, Stream

if TYPE_CHECKING:
    from fluxplug_exec_local.agent import Agent
    from fluxplug_exec_local.job import Job
    from fluxplug_exec_local.options import Pty
    from fluxplug_exec_local.redirect import Target


def open_terminal(pty: Pty) -> tuple[int, int, str]:
    """The agent's side of a new terminal, the task's side, and the path by which a new session makes it its own. Raises OSError."""
    ours, theirs = os.openpty()
    try:
        set_size(ours, pty.rows, pty.columns)
        os.set_blocking(ours, False)
        return ours, theirs, os.ttyname(theirs)
    except BaseException:
        os.close(ours)
        os.close(theirs)
        raise


def set_size(fd: int, rows: int, columns: int) -> None:
    """Change the window of a terminal; who is in its foreground hears SIGWINCH."""
    ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


class Terminal(Stream):
    """What a terminal shows; `theirs` is the task's side, open here until the task has ended."""

    __slots__ = ("_theirs",)

    def __init__(self, agent: Agent, job: Job, rank: str, ours: int, theirs: int, target: Target) -> None:  # noqa: PLR0917
        # Who types waits for an answer, and a prompt has no end of line.
        lines = target.lines and not (job.pty is not None and job.pty.interactive)
        super().__init__(agent, job, "stdout", rank, ours, lines=lines, file=target.file, label=target.label)
        self._theirs = theirs

    def ready(self, _: int) -> None:
        """Something can be read, or the terminal was hung up."""
        if self.agent.paused:
            self.agent.wait_to_read(self)
            return
        try:
            data = os.read(self.fd, CHUNK)
        except BlockingIOError:
            return
        except OSError:  # no task has it open any more
            data = b""
        if data:
            self._take(data)
        elif self._theirs < 0:
            self.close()
        else:
            self.agent.unwatch(self.fd)

    def hang_up(self) -> None:
        """The task has ended: read out what is there, and close."""
        if self._theirs >= 0:
            os.close(self._theirs)
            self._theirs = -1
        if self.fd >= 0 and self not in self.job.held:
            self.drain()

    def drain(self) -> None:
        """Read out what is there, and close."""
        try:
            while data := os.read(self.fd, CHUNK):
                self._take(data)
        except OSError:  # nothing left, or nobody there
            pass
        self.close()

    def close(self) -> None:
        """Pass on what is left, tell the end: that of the standard error, too, which went the same way."""
        if self._theirs >= 0:
            os.close(self._theirs)
            self._theirs = -1
        if self.file is None:
            self.job.entry(0, "data", {"stream": "stderr", "rank": self.rank, "eof": True})
        super().close()

    def resize(self, rows: int, columns: int) -> None:
        """Change the window."""
        if self.fd >= 0:
            set_size(self.fd, rows, columns)


class Typing(Stdin):
    """Input that is typed into a terminal. Its end is the key for that, and more may follow."""

    __slots__ = ("_at_start",)

    def __init__(self, agent: Agent, fd: int) -> None:
        super().__init__(agent, fd)
        self._at_start = True

    def write(self, data: bytes, *, eof: bool) -> None:
        """Add input. Nothing happens after the task's end."""
        if self.fd < 0:
            return
        if data:
            self._at_start = data[-1] in b"\r\n"
        if eof:
            # In the middle of a line the key passes on the line so far, and only a second one is an end.
            key = termios.tcgetattr(self.fd)[6][termios.VEOF]
            data += key if self._at_start else key * 2
            self._at_start = True
        super().write(data, eof=False)
