"""Folders for jobs (`FLUX_JOB_TMPDIR`): each job has one of its own on every host, empty at first but for its files, and gone afterwards.

Making a folder waits for the file system's journal, where a server may be syncing its store at the same time. So a folder that a job leaves empty
and unchanged is the next one's.
"""

from __future__ import annotations

import os
from typing import Any

#: So many empty folders are kept for later jobs.
MAX_SPARE = 256


class Workdirs:
    """The folders `PREFIX0`, `PREFIX1`, ... of one agent; those that an earlier agent left are removed."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._spare: list[str] = []
        self._count = 0
        parent, name = os.path.split(prefix)
        with os.scandir(parent) as entries:
            old = [entry.path for entry in entries if entry.name.startswith(name)]
        for path in old:
            remove_tree(path)
        # Names are not used again while an old folder of that name may still be on its way out.
        self._run = os.urandom(3).hex()

    def take(self, files: Any) -> str:
        """A folder with the files of a jobspec (RFC 37). Raises OSError, ValueError for files that are none."""
        if self._spare:
            path = self._spare.pop()
        else:
            path = f"{self._prefix}{self._run}-{self._count}"
            self._count += 1
            os.mkdir(path, 0o700)  # noqa: PTH102 - the hot path
        if files:
            from fluxplug_exec_local.archive import unpack  # noqa: PLC0415 - not every job needs it

            try:
                unpack(files, path)
            except BaseException:
                self.give_back(path)
                raise
        return path

    def give_back(self, path: str) -> None:
        """The job has ended: keep its folder if it is as it was, else remove it with everything in it, in the background."""
        try:
            if len(self._spare) < MAX_SPARE and os.stat(path).st_mode == 0o40700 and not os.listdir(path):  # noqa: PTH116, PTH208
                self._spare.append(path)
                return
        except OSError:
            pass
        remove_tree(path)

    def remove(self) -> None:
        """The agent ends."""
        for path in self._spare:
            try:
                os.rmdir(path)  # noqa: PTH106
            except OSError:
                remove_tree(path)
        self._spare = []


def remove_tree(path: str) -> None:
    """Remove a folder and all below it, by a process of its own: its size does not matter to the caller."""
    command = ["rm", "-rf", "--", path]
    actions = [(os.POSIX_SPAWN_OPEN, fd, "/dev/null", os.O_RDWR, 0) for fd in (0, 1, 2)]
    os.posix_spawnp("rm", command, {"PATH": "/usr/bin:/bin"}, file_actions=actions)
