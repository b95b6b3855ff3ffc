"""A control group (cgroup v2) for each job on this host, where `[executor.local] cgroup` names a folder that the user may write to.

The agent goes in for the moment in which it starts the tasks, so that they are born there, and nothing that they start can leave: the end of a job
is then the end of all its processes. A group has limits as far as the folder has the controllers: the job's cores from the start; memory and processes
as soon as the agent is out again, which they could hit. Without the right to it everything works as without the key.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from fluxplug_exec_local.size import format_size

if TYPE_CHECKING:
    from collections.abc import Callable


class Limits(NamedTuple):
    """Of a job on this host: cores (a list as `0-3,8`), bytes, and number of processes and threads; "" and 0 are none."""

    cores: str = ""
    memory: int = 0
    processes: int = 0


class Cgroups:
    """The groups of one agent's jobs, below `parent`; an empty one makes none. `say` is told once of each limit that cannot be set."""

    def __init__(self, parent: str, say: Callable[[str], None] = lambda _: None) -> None:
        self.parent = parent
        self._say = say
        self._home = _own_group() if parent else ""
        self._ending: list[str] = []
        self._cores = os.sched_getaffinity(0)
        self._refused: set[str] = set()
        self._controllers = _delegated(parent) if self._home else frozenset()

    def enter(self, name: str, limits: Limits) -> str:
        """Make a group and go into it; its path, or the empty text where that is not permitted."""
        if not self._home:
            return ""
        path = f"{self.parent}/{name}"
        try:
            os.mkdir(path, 0o755)  # noqa: PTH102
            if limits.cores:
                self._limit(path, "cpuset.cpus", limits.cores)
            _write(f"{path}/cgroup.procs", b"0")
        except OSError:
            with suppress(OSError):
                os.rmdir(path)  # noqa: PTH106
            return ""
        return path

    def leave(self, path: str, limits: Limits) -> None:
        """Go back to where the agent was. Raises OSError."""
        _write(f"{self._home}/cgroup.procs", b"0")
        if limits.cores:
            os.sched_setaffinity(0, self._cores)
        if limits.memory and self._limit(path, "memory.max", str(limits.memory)):
            # A job of which a part is killed waits for it.
            self._limit(path, "memory.oom.group", "1")
        if limits.processes:
            self._limit(path, "pids.max", str(limits.processes))

    def _limit(self, path: str, name: str, value: str) -> bool:
        """Set a limit; False where it cannot be."""
        controller = name.partition(".")[0]
        if controller not in self._controllers:
            problem = f"{self.parent} does not have the controller {controller}"
        else:
            try:
                _write(f"{path}/{name}", value.encode())
            except OSError as error:
                problem = f"{path}/{name}: {error.strerror}"
            else:
                return True
        if name not in self._refused:
            self._refused.add(name)
            self._say(f"jobs run without the limit {name}: {problem}")
        return False

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


def out_of_memory(path: str) -> str:
    """Why processes of a group were killed for want of memory; "" where none was."""
    words = _read(f"{path}/memory.events")
    counts = dict(zip(words[::2], words[1::2], strict=False))
    if counts.get("oom_kill", "0") == "0":
        return ""
    limit = "".join(_read(f"{path}/memory.max"))
    if counts.get("oom", "0") == "0" or not limit.isdigit():
        return "no memory left on the host"
    return f"memory limit of {format_size(int(limit))} exceeded"


def _delegated(parent: str) -> frozenset[str]:
    """The controllers of the groups in a folder, after an attempt to switch on those that it could have."""
    found = set(_read(f"{parent}/cgroup.subtree_control"))
    for name in set(_read(f"{parent}/cgroup.controllers")) & {"cpuset", "memory", "pids"} - found:
        with suppress(OSError):
            _write(f"{parent}/cgroup.subtree_control", f"+{name}".encode())
            found.add(name)
    return frozenset(found)


def _read(path: str) -> list[str]:
    try:
        with open(path, encoding="ascii") as file:  # noqa: PTH123
            return file.read().split()
    except OSError:
        return []


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
