"""Where the streams of a job's tasks go: into its log, or into files by templates (`output.stdout.path` and its kin).

A path with tags of node or task is a file each; else all tasks share one. A task that has a file for itself, without labels, writes into it
without the agent between. All open files for appending, so that several writers, hosts too, lose nothing; the first host empties a shared one,
and the others wait for that (`hold`).
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

from fluxplug.values.idset import IDset
from fluxplug_exec_local.environment import expand, tags
from fluxplug_exec_local.options import part

if TYPE_CHECKING:
    from fluxplug_exec_local.job import Job

STREAMS = ("stdout", "stderr")


class OutputFile:
    """An open file, closed when the last stream that writes to it is at its end."""

    __slots__ = ("_users", "fd")

    def __init__(self, path: str, *, truncate: bool) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | (os.O_TRUNC if truncate else 0)
        self.fd = os.open(path, flags, 0o666)
        self._users = 1

    def acquire(self) -> None:
        """One more user."""
        self._users += 1

    def release(self) -> None:
        """One user less."""
        self._users -= 1
        if not self._users:
            os.close(self.fd)

    def write(self, data: bytes) -> None:
        """Append everything. What the file system refuses is lost, as it is for a program that writes itself."""
        view = memoryview(data)
        while view:
            try:
                view = view[os.write(self.fd, view) :]
            except OSError:
                return


class Target(NamedTuple):
    """Of one stream of one task. `direct`: the task gets the file itself; `hold`: read only after the server's `go`."""

    lines: bool
    file: OutputFile | None = None
    label: bool = False
    direct: bool = False
    hold: bool = False


_LOGGED = {"stdout": Target(lines=True), "stderr": Target(lines=False)}


class _Setting(NamedTuple):
    path: str
    label: bool
    lines: bool


class Redirect:
    """The targets of one job on this host, while its tasks are started."""

    __slots__ = ("_files", "_job", "_mine", "_settings", "_truncate", "stdin")

    def __init__(self, job: Job, mine: list[int]) -> None:
        self._job = job
        self._mine = mine
        self._files: dict[str, OutputFile] = {}
        self._settings: dict[str, _Setting] | None = None
        self._truncate = True
        self.stdin = ""

    def open(self) -> None:
        """Read the options. Raises ValueError where they make no sense."""
        if "input" in self._job.options:
            stdin = part(part(self._job.options, "input"), "stdin", "input.")
            if stdin.get("type") == "file":
                self.stdin = _path(stdin, "input.stdin")
        if not self._job.options.get("output"):
            return
        given = part(self._job.options, "output")
        mode = given.get("mode", "truncate")
        if mode not in ("truncate", "append"):
            raise ValueError(f"output.mode must be truncate or append, not {mode!r}")
        self._truncate = mode == "truncate"
        first = part(given, "stdout", "output.")
        self._settings = {}
        for name in STREAMS:
            own = part(given, name, "output.")
            # Without a type of its own, stderr goes where stdout goes.
            where = own if "type" in own or name == "stdout" else first
            kind = where.get("type", "kvs")
            if kind not in ("kvs", "file", "term"):
                raise ValueError(f"output.{name}.type must be kvs, file or term, not {kind!r}")
            buffer = part(own, "buffer", f"output.{name}.").get("type", "line" if name == "stdout" else "none")
            if buffer not in ("line", "none"):
                raise ValueError(f"output.{name}.buffer.type must be none or line, not {buffer!r}")
            path = _path(where, f"output.{name if where is own else STREAMS[0]}") if kind == "file" else ""
            self._settings[name] = _Setting(path, bool(where.get("label")), buffer == "line")
            if path:
                self._announce(name, path)

    def open_stdin(self, rank: int, localid: int) -> int:
        """The file that a task reads. Raises ValueError where it cannot be opened."""
        path = expand(self.stdin, self._job, rank, localid)
        try:
            return os.open(path, os.O_RDONLY)
        except OSError as error:
            raise ValueError(f"{path}: {error.strerror}") from error

    def target(self, name: str, rank: int, localid: int, *, piped: bool = False) -> Target:
        """Where a stream of a task goes; `piped`: through the agent, whatever it is. Raises ValueError where its file cannot be opened."""
        if self._settings is None:
            return _LOGGED[name]
        setting = self._settings[name]
        if not setting.path:
            return Target(setting.lines)
        job = self._job
        per_node, per_task = tags(setting.path)
        shared = len(job.nodes) > 1 and not (per_node or per_task)
        alone = per_task or (len(self._mine) == 1 and not shared)
        path = expand(setting.path, job, rank, localid) if per_task else expand(setting.path, job)
        file = self._files.get(path)
        if file is None:
            truncate = self._truncate and (job.index == 0 or not shared)
            try:
                file = self._files[path] = OutputFile(path, truncate=truncate)
            except OSError as error:
                raise ValueError(f"{path}: {error.strerror}") from error
        direct = alone and not setting.label and not piped
        hold = shared and job.index > 0 and self._truncate
        return Target(setting.lines or setting.label, file, setting.label, direct, hold)

    def done(self) -> None:
        """Every task has been started: what the agent does not write to is the tasks' alone."""
        for file in self._files.values():
            file.release()
        self._files = {}

    def _announce(self, name: str, path: str) -> None:
        job = self._job
        per_node, per_task = tags(path)
        if per_task:
            for localid, rank in enumerate(self._mine):
                job.entry(0, "redirect", {"stream": name, "rank": str(rank), "path": expand(path, job, rank, localid)})
        elif per_node and self._mine:
            job.entry(0, "redirect", {"stream": name, "rank": str(IDset(self._mine)), "path": expand(path, job)})
        elif job.index == 0:
            everyone = "0" if job.size == 1 else f"0-{job.size - 1}"
            job.entry(0, "redirect", {"stream": name, "rank": everyone, "path": expand(path, job)})


def _path(given: dict[str, Any], name: str) -> str:
    if not given.get("path"):
        raise ValueError(f"{name}.type=file must have a {name}.path")
    return str(given["path"])
