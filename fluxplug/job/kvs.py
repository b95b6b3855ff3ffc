"""`job_kvs`, `job_kvs_guest` and `walk`: what a job has, as the directory of keys that Flux's users know, for reading.

There is no key-value store under it: keys are the job's documents (`jobspec`, `R`) and logs (`eventlog`, `guest.output`, ...), and nothing can
be written.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fluxplug.job.control import path as path_of
from fluxplug.job.event import watch_log
from fluxplug.job.lookup import job_kvs_lookup

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fluxplug.handle import Flux

KEYS = ("R", "eventlog", "guest.exec.eventlog", "guest.input", "guest.output", "jobspec")


class KVSDir(Mapping[str, Any]):
    """A directory of a job's keys, below `path` ("": the top), as of now: each use asks the instance.

    Iteration is over names, sorted. `d[name]` is a dict (`jobspec`, `R`), a text of a line an entry (logs), or a KVSDir; a name may have
    dots. Raises KeyError for one that is not there. Not for writing: there is no assignment, `commit`, `mkdir` or `fill`.
    """

    def __init__(self, flux_handle: Flux, jobid: int | str, path: str = "") -> None:
        self.fhdl = flux_handle
        self.jobid = jobid
        self.path = path

    def __getitem__(self, name: str) -> Any:
        key = self.key_at(name)
        if key in KEYS:
            found = job_kvs_lookup(self.fhdl, self.jobid, [key])
            if found is not None:
                return found[key]
        elif self._below(key):
            return KVSDir(self.fhdl, self.jobid, key)
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(sorted({name for name, _ in self._entries()}))

    def __len__(self) -> int:
        return len(set(self))

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.exists(name)

    def __repr__(self) -> str:
        return f"KVSDir({self.jobid!s}, {self.path!r})"

    def exists(self, name: str) -> bool:
        """Whether there is such a key or directory."""
        key = self.key_at(name)
        return bool(self._there(key) if key in KEYS else self._below(key))

    def key_at(self, name: str) -> str:
        """The whole key of a name in this directory."""
        return f"{self.path}.{name}" if self.path else name

    def files(self) -> list[str]:
        """Names of keys with values, sorted."""
        return sorted({name for name, leaf in self._entries() if leaf})

    def directories(self) -> list[str]:
        """Names of directories, sorted."""
        return sorted({name for name, leaf in self._entries() if not leaf})

    def list_all(self) -> tuple[list[str], list[str]]:
        """`files()` and `directories()`."""
        return self.files(), self.directories()

    def _entries(self) -> Iterator[tuple[str, bool]]:
        """(name, whether it is a key with a value) of each key that is there."""
        skip = len(self.path) + 1 if self.path else 0
        for key in self._below(self.path):
            name, dot, _ = key[skip:].partition(".")
            yield name, not dot

    def _below(self, path: str) -> list[str]:
        return [key for key in KEYS if key.startswith(f"{path}." if path else "") and self._there(key)]

    def _there(self, key: str) -> bool:
        try:
            if key in {"R", "jobspec"}:
                self.fhdl.client.get(f"{path_of(self.jobid)}/{key}")
            else:  # the first entry will do: output may be long
                stream = watch_log(self.fhdl, self.jobid, key, follow=False)
                next(stream, None)
                stream.close()
        except FileNotFoundError:
            return False
        return True


def job_kvs(flux_handle: Flux, jobid: int | str) -> KVSDir:
    """The keys of a job. Raises FileNotFoundError where it is unknown."""
    flux_handle.client.get(path_of(jobid))
    return KVSDir(flux_handle, jobid)


def job_kvs_guest(flux_handle: Flux, jobid: int | str) -> KVSDir:
    """The keys of a job that its tasks' side writes: `output`, `input`, `exec.eventlog`. Raises FileNotFoundError where it is unknown."""
    flux_handle.client.get(path_of(jobid))
    return KVSDir(flux_handle, jobid, "guest")


def walk(directory: KVSDir, topdown: bool = False) -> Iterator[tuple[str, list[str], list[str]]]:
    """(path, names of directories, names of files) of a directory and all below it; those below first, unless `topdown`."""
    files, directories = directory.list_all()
    if topdown:
        yield directory.path, directories, files
    for name in directories:
        yield from walk(directory[name], topdown)
    if not topdown:
        yield directory.path, directories, files
