"""What jobs wait for (RFC 26): the schemes afterstart, afterany, afterok, afternotok, afterexcept, begin-time and singleton.

At submission `resolve` turns the jobspec's list into descriptions, as they stand in event logs; `Dependencies` then says, event by event, which of
them are met and which never can be. It knows jobs by id and record; the engine holds the jobs back, the driver carries the news between the two.
"""

from __future__ import annotations

import errno
import math
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any, NamedTuple

from attrs import define, field

from fluxplug.errors import FluxplugError
from fluxplug.instance.record import INACTIVE
from fluxplug.values.jobid import id_parse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

DESCRIBED = {
    "afterstart": "after-start",
    "after": "after-start",
    "afterany": "after-finish",
    "afterok": "after-success",
    "afternotok": "after-failure",
    "afterexcept": "after-except",
}
_STARTED = "after-start"
SINGLETON = "singleton"
BEGIN_TIME = "begin-time"


class DependencyError(FluxplugError):
    """A dependency that cannot be taken: the text is for the submitter."""

    errno = errno.EINVAL


class Dependency(NamedTuple):
    """One of a job's dependencies: `target` is a job id for the schemes that have one, `time` the instant of a begin-time."""

    description: str
    target: int | None = None
    time: float = 0.0


class News(NamedTuple):
    """What has become of a job's dependency."""

    jobid: int
    description: str
    met: bool


def resolve(dependencies: Iterable[Mapping[str, Any]], show: Callable[[int], str]) -> list[Dependency]:
    """The dependencies of a valid jobspec; `show` writes a job id. Raises DependencyError for a scheme or value that is not understood."""
    found: dict[str, Dependency] = {}
    for one in dependencies:
        scheme, value = one["scheme"], one["value"]
        if scheme in DESCRIBED:
            try:
                target = id_parse(value)
            except ValueError:
                raise DependencyError(f'dependency: {scheme}: "{value[:80]}" is not a valid jobid') from None
            made = Dependency(f"{DESCRIBED[scheme]}={show(target)}", target)
        elif scheme == BEGIN_TIME:
            try:
                time = float(value)
            except ValueError:
                time = math.nan
            if not 0 <= time < math.inf:
                raise DependencyError(f'dependency: begin-time: "{value[:80]}" is no time in seconds since 1970')
            made = Dependency(f"{BEGIN_TIME}={time:.3f}", None, time)
        elif scheme == SINGLETON:
            made = Dependency(SINGLETON)
        else:
            raise DependencyError(f'dependency scheme "{scheme[:80]}" not supported')
        found[made.description] = made
    return list(found.values())


@define
class Dependencies:
    """Who waits for what. Each call returns the news, in a fixed order; costs grow with what waits for the job in question."""

    _waiting: dict[int, list[tuple[int, str]]] = field(factory=dict)
    _times: list[tuple[float, int, str]] = field(factory=list)
    _holders: dict[tuple[int, str], set[int]] = field(factory=dict)
    _held: dict[tuple[int, str], dict[int, None]] = field(factory=dict)
    _of: dict[int, tuple[tuple[int, str], list[Dependency]]] = field(factory=dict)

    def add(
        self,
        jobid: int,
        userid: int,
        name: str,
        dependencies: list[Dependency],
        targets: Mapping[int, Mapping[str, Any]],
    ) -> list[News]:
        """A job with its dependencies that are not met yet; `targets` has the record of each job that they name.

        Returns what is known of them at once.
        """
        key = (userid, name)
        self._of[jobid] = (key, dependencies)
        news = []
        for one in dependencies:
            description = one.description
            if description == SINGLETON:
                if self._holders.get(key):
                    self._held.setdefault(key, {})[jobid] = None
                    continue
                news.append(News(jobid, SINGLETON, True))
            elif one.target is not None:
                record = targets[one.target]
                told = _judge(description, record)
                if told is None:
                    self._waiting.setdefault(one.target, []).append((jobid, description))
                else:
                    news.append(News(jobid, description, told))
            else:
                heappush(self._times, (one.time, jobid, description))
        if jobid not in self._held.get(key, ()):
            self._holders.setdefault(key, set()).add(jobid)
        return news

    def started(self, jobid: int) -> list[News]:
        """The tasks of a job run."""
        waiting = self._waiting.get(jobid)
        if not waiting:
            return []
        told = [News(who, what, True) for who, what in waiting if what.startswith(_STARTED)]
        self._waiting[jobid] = [(who, what) for who, what in waiting if not what.startswith(_STARTED)]
        return told

    def over(self, jobid: int, record: Mapping[str, Any]) -> list[News]:
        """A job is inactive; it waits for nothing any more, and nobody for it."""
        news = []
        for who, what in self._waiting.pop(jobid, ()):
            news.append(News(who, what, bool(_judge(what, record))))
        found = self._of.pop(jobid, None)
        if found is None:
            return news
        key, dependencies = found
        for one in dependencies:
            if one.target is not None and (left := self._waiting.get(one.target)):
                self._waiting[one.target] = [entry for entry in left if entry[0] != jobid]
        held = self._held.get(key)
        if held and jobid in held:
            del held[jobid]
        holders = self._holders.get(key)
        if holders is not None:
            holders.discard(jobid)
            if not holders and held:
                first = next(iter(held))
                del held[first]
                holders.add(first)
                news.append(News(first, SINGLETON, True))
            if not holders:
                del self._holders[key]
        if held is not None and not held:
            self._held.pop(key, None)
        return news

    def next_time(self) -> float:
        """The next begin-time; infinite if there is none."""
        times = self._times
        while times and times[0][1] not in self._of:
            heappop(times)
        return times[0][0] if times else math.inf

    def due(self, now: float) -> list[News]:
        """The begin-times that have come."""
        news = []
        while self.next_time() <= now:
            _, jobid, description = heappop(self._times)
            news.append(News(jobid, description, True))
        return news


def _judge(description: str, record: Mapping[str, Any]) -> bool | None:
    """Whether a target in this state meets a dependency; None: it may still."""
    kind = description.partition("=")[0]
    ran = record.get("_started", False)
    if kind == _STARTED:
        return True if ran else (False if record["state"] == INACTIVE else None)
    if record["state"] != INACTIVE:
        return None
    if kind == "after-finish":
        return True
    if kind == "after-success":
        return bool(record["success"])
    if kind == "after-failure":
        return "t_run" in record and not record["success"]
    return bool(record["exception_occurred"] and record["exception_severity"] == 0)
