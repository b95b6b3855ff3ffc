"""A job's folder on this host (`FLUX_JOB_TMPDIR`): made with the job's files in it, removed when the job ends."""

from __future__ import annotations

import os
from typing import Any


class Workdir:
    """The folder at `path`, which nobody else uses."""

    __slots__ = ("path",)

    def __init__(self, path: str) -> None:
        self.path = path

    def make(self, files: Any) -> None:
        """Make it with the files of a jobspec (RFC 37). Raises OSError, ValueError for files that are none."""
        os.mkdir(self.path, 0o700)  # noqa: PTH102 - the hot path
        if files:
            from fluxplug_exec_local.archive import unpack  # noqa: PLC0415 - not every job needs it

            unpack(files, self.path)

    def remove(self) -> None:
        """Remove it with everything in it; a large one goes in the background."""
        try:
            os.rmdir(self.path)  # noqa: PTH106
        except FileNotFoundError:
            pass
        except OSError:
            remove_tree(self.path)


def remove_tree(path: str) -> None:
    """Remove a folder and all below it, by a process of its own: its size does not matter to the caller."""
    command = ["rm", "-rf", "--", path]
    actions = [(os.POSIX_SPAWN_OPEN, fd, "/dev/null", os.O_RDWR, 0) for fd in (0, 1, 2)]
    os.posix_spawnp("rm", command, {"PATH": "/usr/bin:/bin"}, file_actions=actions)
