"""The progress line of JobWatcher: how many jobs wait, run, are done and have failed, a bar, and jobs a second. On terminals alone."""

from __future__ import annotations

import shutil
from typing import TextIO

from fluxplug.clock import SystemClock
from fluxplug.constants import (
    FLUX_JOB_STATE_CLEANUP,
    FLUX_JOB_STATE_INACTIVE,
    FLUX_JOB_STATE_RUN,
)

_PENDING, _RUNNING, _DONE, _FAILED = "PD", "R", "CD", "F"


class Progress:
    """A line on `stream` that is written over; nothing where that is no terminal. `began` is when the first job was submitted."""

    def __init__(self, stream: TextIO, began: float, *, jps: bool) -> None:
        self._stream = stream
        self._began = began
        self._jps = jps
        self._shown = stream.isatty()
        self._jobs: dict[int, str] = {}
        self._counts = dict.fromkeys((_PENDING, _RUNNING, _DONE, _FAILED), 0)

    def add(self, jobid: int) -> None:
        """A job more."""
        self._set(jobid, _PENDING)

    def event(self, jobid: int, name: str, code: int | None) -> None:
        """An event of a job; `code` is its exit code, where it has one."""
        if name == "start":
            self._set(jobid, _RUNNING)
        elif name == "clean":
            self._set(jobid, _FAILED if code else _DONE)

    def state(self, jobid: int, state: int, code: int | None) -> None:
        """The state in which a job was found."""
        if state == FLUX_JOB_STATE_INACTIVE:
            self._set(jobid, _FAILED if code else _DONE)
        elif state & (FLUX_JOB_STATE_RUN | FLUX_JOB_STATE_CLEANUP):
            self._set(jobid, _RUNNING)

    def line(self, width: int) -> str:
        """The line, at most `width` characters wide."""
        counts = self._counts
        done, total = counts[_DONE] + counts[_FAILED], max(len(self._jobs), 1)
        left = " ".join(f"{name}:{count:<3}" for name, count in counts.items())
        right = f"{100 * done / total:5.1f}%"
        if self._jps:
            elapsed = max(SystemClock().now() - self._began, 1e-3)
            right += f" {done / elapsed:6.1f} job/s"
        room = width - len(left) - len(right) - 4
        filled = room * done // total
        bar = f" |{'#' * filled}{' ' * (room - filled)}| " if room > 3 else " "
        return f"{left}{bar}{right}"[:width]

    def clear(self) -> None:
        """Take the line away, so that something else can be written."""
        if self._shown:
            self._stream.write("\r\x1b[K")

    def draw(self) -> None:
        """Write the line."""
        if self._shown:
            self._stream.write("\r" + self.line(shutil.get_terminal_size().columns - 1) + "\x1b[K")
            self._stream.flush()

    def finish(self) -> None:
        """Leave the line where it is."""
        if self._shown:
            self.draw()
            self._stream.write("\n")
            self._stream.flush()

    def _set(self, jobid: int, kind: str) -> None:
        before = self._jobs.get(jobid)
        if before in {_DONE, _FAILED, kind}:
            return
        if before is not None:
            self._counts[before] -= 1
        self._counts[kind] += 1
        self._jobs[jobid] = kind
        self.draw()
