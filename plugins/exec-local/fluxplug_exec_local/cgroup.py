"""A control group (cgroup v2) for each job on this host, where `[executor.local] cgroup` names a folder that the user may write to.

The agent goes in for the moment in which it starts the tasks, so that they are born there, and nothing that they start can leave: the end of a job
is then the end of all its processes. Without the right to it everything works as without the key. Not here: limits, which a jobspec does not state.
"""

from __future__ import annotations

import os
from contextlib import suppress


class Cgroups:
    """The groups of one agent's jobs, below `parent`; an empty one makes none."""

    def __init__(self, parent: str) -> None:
        self.parent = parent
        self._home = _own_group() if parent else ""
        self._ending: list[str] = []

    def enter(self, name: str) -> str:
        """Make a group and go into it; its path, or the empty text where that is not permitted."""
        if not self._home:
            return ""
        path = f"{self.parent}/{name}"
        try:
            os.mkdir(path, 0o755)  # noqa: PTH102
            _write(f"{path}/cgroup.procs", b"0")
        except OSError:
            with suppress(OSError):
                os.rmdir(path)  # noqa: PTH106
            return ""
        return path

    def leave(self) -> None:
        """Go back to where the agent was. Raises OSError."""
        _write(f"{self._home}/cgroup.procs", b"0")

    def end(self, path: str) -> None:
        """Kill what is in a group, and remove it, as soon as it is empty."""
        kill(path)
        self._ending.append(path)
        self.tidy()

    def tidy(self) -> None:
        """Remove groups whose processes have gone meanwhile."""
        left = []
        for path in self._ending:
            try:
                os.rmdir(path)  # noqa: PTH106
            except FileNotFoundError:
                pass
            except OSError:
                left.append(path)
        self._ending = left


def kill(path: str) -> None:
    """Kill every process of a group."""
    with suppress(OSError):
        _write(f"{path}/cgroup.kill", b"1")


def _own_group() -> str:
    """The folder of the group that this process is in; empty where there is no cgroup v2."""
    try:
        with open("/proc/self/mounts", encoding="utf-8") as file:  # noqa: PTH123
            mount = next((words[1] for words in map(str.split, file) if words[2] == "cgroup2"), "")
        with open("/proc/self/cgroup", encoding="utf-8") as file:  # noqa: PTH123
            path = next((line[3:].rstrip() for line in file if line.startswith("0::")), "")
    except OSError:
        return ""
    return mount + path.rstrip("/") if mount and path else ""


def _write(path: str, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY)
    try:
        os.write(descriptor, data)
    finally:
        os.close(descriptor)
