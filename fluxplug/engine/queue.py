"""The pending jobs of one queue, indexed so that a pass looks only at those that the last events could have helped.

Two views of the jobs without a reservation, each in queue order (priority, submit time, sequence), and the few others by id:

    fresh      the next to start or to be given a reservation
    groups     the same by request shape and, within it, by time limit: what could start now
    reserved   those with a reservation

A view is a sorted list with lazy deletion: an entry is dead once its job's `fresh` is another object. Adding at the end and
removing are O(1) amortised, adding in the middle is a bisect and a memory move.

What a group knows (the refusal facts of the design): `bound`, an upper bound on the limits that could start now. It is computed once
from the pool's `room`, lowered when the pool refuses, and forgotten when something was freed, raised or un-promised. A pass after a
submission therefore asks about the new job alone, and a pass after an end asks once a shape, not once a job. The same is known of
what has no start in sight, because jobs without a time limit hold it or are promised it.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right, insort
from heapq import heapify, heappop, heapreplace, merge
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fluxplug.engine.job import Job, Key

Entry = tuple["Key", "Job"]

COMPACT = 32
"""Dead entries that a view keeps at least; below it, rebuilding costs more than skipping."""

PASSED_OVER = 64
"""So many jobs without a start in sight are passed over one by one; then whole shapes are."""


class View:
    """Jobs in queue order with lazy deletion: `live` of the entries, none of them before `head`, are those of jobs that are still here."""

    __slots__ = ("entries", "head", "live")

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.head = 0
        self.live = 0

    def add(self, entry: Entry) -> None:
        entries = self.entries
        self.live += 1
        if not entries or entries[-1] < entry:
            entries.append(entry)
        else:
            insort(entries, entry, lo=self.head)

    def drop(self) -> None:
        """Note that one entry has died; rebuild when most have."""
        self.live = live = self.live - 1
        count = len(self.entries)
        if count - live > COMPACT and live * 2 < count:
            self.entries = [e for e in self.entries[self.head :] if e[1].fresh is e[0]]
            self.head = 0

    def first(self) -> Entry | None:
        """The first live entry. Amortised O(1)."""
        entries, head = self.entries, self.head
        count = len(entries)
        while head < count:
            entry = entries[head]
            if entry[1].fresh is entry[0]:
                self.head = head
                return entry
            head += 1
        entries.clear()
        self.head = 0
        return None

    def after(self, entry: Entry) -> Entry | None:
        """The first live entry behind `entry`. O(log entries), and those between that are dead."""
        entries = self.entries
        for i in range(bisect_right(entries, entry, lo=self.head), len(entries)):
            found = entries[i]
            if found[1].fresh is found[0]:
                return found
        return None

    def __iter__(self) -> Iterator[Job]:
        """Live jobs, in order; jobs that die meanwhile are passed over, jobs added meanwhile may be missed."""
        if self.first() is None:
            return
        entries, i = self.entries, self.head
        last = None
        while i < len(entries):  # by index, not a copy: most loops stop early
            key, job = entries[i]
            if job.fresh is key and job is not last:  # the last one may have been taken out and put back
                last = job
                yield job
            i += 1


class Group:
    """The fresh jobs of one shape: a view a time limit, and the bound on the limits that could start now; infinite where it is not known."""

    __slots__ = ("asked", "bound", "limits", "queued", "sample", "views")

    def __init__(self, sample: Any) -> None:
        self.sample = sample
        self.views: dict[float, View] = {}
        self.limits: list[float] = []
        self.bound = math.inf
        self.asked = 0
        self.queued = False

    def add(self, entry: Entry, limit: float) -> None:
        view = self.views.get(limit)
        if view is None:
            view = self.views[limit] = View()
            insort(self.limits, limit)
        view.add(entry)

    def remove(self, limit: float) -> None:
        view = self.views[limit]
        if view.live > 1:
            view.drop()
        else:
            del self.views[limit], self.limits[bisect_left(self.limits, limit)]

    def first(self, bound: float, after: Entry | None = None) -> tuple[Entry, float] | None:
        """The first job in queue order, behind `after`, whose limit is within `bound`; and its limit. O(limits within the bound)."""
        best: Entry | None = None
        best_limit = 0.0
        for limit in self.limits:
            if limit > bound:
                break
            view = self.views[limit]
            entry = view.first() if after is None else view.after(after)
            if entry is not None and (best is None or entry < best):
                best, best_limit = entry, limit
        return None if best is None else (best, best_limit)


class PendingQueue:
    """The eligible pending jobs of one queue.

    `gain` counts the events that could help anybody (something freed, raised, un-promised); the engine raises it.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.fresh = View()
        self.reserved: dict[int, Key] = {}
        self.last_reserved: Key | None = None
        self.overtakers: list[Entry] = []
        self.size = 0
        self._promised: dict[int, Job] = {}
        self._groups: dict[Any, Group] | None = None
        self._live: dict[Group, Any] = {}
        self._stale: list[Group] = []
        self._epoch = -1
        self._sight: dict[Any, float] = {}
        self._sight_epoch = -1
        self._revived = 0

    def __len__(self) -> int:
        return self.size

    def __iter__(self) -> Iterator[Job]:
        return self._all() if self.reserved else iter(self.fresh)

    def _all(self) -> Iterator[Job]:
        """Jobs in order, with a reservation or without; what `View` says of changes meanwhile holds here too."""
        last: Key = ()
        for job in merge(sorted(self._promised.values(), key=_by_key), self.fresh, key=_by_key):
            if job.key is not None and last < job.key:  # it may have left, or lost its reservation
                last = job.key
                yield job

    def add(self, job: Job, key: Key) -> None:
        """Enter an eligible job. O(1) at the end of the queue."""
        job.key = key
        self.size += 1
        self._add_fresh(job, key)

    def remove(self, job: Job) -> None:
        """Take a job out: it starts, or is no longer eligible."""
        self.size -= 1
        if job.reserved is None:
            self._remove_fresh(job)
        else:
            del self.reserved[job.jobid], self._promised[job.jobid]
            job.reserved = None
        job.key = None

    def reserve(self, job: Job, start: float) -> None:
        """Note the promised start of a job."""
        if job.reserved is None:
            self._remove_fresh(job)
            assert job.key is not None
            self.reserved[job.jobid] = job.key
            self._promised[job.jobid] = job
            if self.last_reserved is None or self.last_reserved < job.key:
                self.last_reserved = job.key
        job.reserved = start

    def unreserve(self, job: Job) -> None:
        """Note that a job has no promise any more."""
        del self.reserved[job.jobid], self._promised[job.jobid]
        job.reserved = None
        assert job.key is not None
        self._revived += 1
        self._add_fresh(job, (*job.key, self._revived))

    def startable(self, gain: int, rooms: Callable[[list[Any]], list[float]]) -> Iterator[Job]:
        """Fresh jobs that could start now, in queue order, by the bounds; the caller tries each, and `refuse`s or removes it.

        `rooms(requests)` is asked for the shapes whose bound is not known since `gain`. O(shapes that something changed for, and
        limits within their bounds).
        """
        if self._groups is None:
            self._index()
        stale = self._stale
        if stale:
            self._stale = []
            for group in stale:
                group.queued = False
        heap: list[tuple[Entry, float, Group]] = []
        if self._epoch != gain:
            self._epoch = gain
            unknown = self._live
        else:
            unknown = {}
            for group in stale:
                if group.limits:
                    if group.bound == math.inf:
                        unknown[group] = group.sample
                    elif group.limits[0] <= group.bound:
                        self._offer(group, heap)
        if unknown:
            for group, room in zip(unknown, rooms(list(unknown.values()))):  # noqa: B905 - of one length, hot
                group.bound = room
                if room > 0 and group.limits[0] <= room:
                    self._offer(group, heap)
        if not heap:
            return
        heapify(heap)
        started = 0
        passed: dict[Group, Entry] = {}
        try:
            while heap:
                entry, limit, group = heap[0]
                key, job = entry
                if job.fresh is key:
                    if group.asked != started:
                        group.asked = started
                        group.bound = min(group.bound, rooms([group.sample])[0])
                    if limit <= group.bound:
                        yield job
                        if job.fresh is None:
                            started += 1
                        elif limit <= group.bound:  # neither started nor refused: the caller passed it over
                            passed[group] = entry
                            self._touch(group)
                found = group.first(group.bound, passed.get(group))
                if found is None:
                    heappop(heap)
                else:
                    heapreplace(heap, (*found, group))
        finally:
            for *_, group in heap:  # whom the caller did not get to
                self._touch(group)

    @staticmethod
    def _offer(group: Group, heap: list[tuple[Entry, float, Group]]) -> None:
        """Add the first job of a group that could start, if there is one."""
        group.asked = 0
        found = group.first(group.bound)
        if found is not None:
            heap.append((*found, group))

    def refuse(self, job: Job) -> None:
        """A fact until something is gained: no job of this shape with this limit or a longer one can start."""
        group = self._groups.get(job.request.shape) if self._groups is not None else None
        if group is not None:
            group.bound = min(group.bound, math.nextafter(job.request.duration or math.inf, -math.inf))

    def refused(self, job: Job, gain: int) -> bool:
        """Whether it is known that a job cannot start: it was refused itself, or one of its shape that asks for no more time."""
        if job.refused == gain:
            return True
        group = self._groups.get(job.request.shape) if self._groups is not None else None
        return group is not None and self._epoch == gain and (job.request.duration or math.inf) > group.bound

    def lose_sight(self, job: Job, gain: int) -> None:
        """A fact until something is gained: no job of this shape with this limit or a longer one has a start in sight."""
        sight, shape = self._in_sight(gain), job.request.shape
        bound = math.nextafter(job.request.duration or math.inf, -math.inf)
        sight[shape] = min(bound, sight.get(shape, math.inf))

    def out_of_sight(self, job: Job, gain: int) -> bool:
        """Whether a job without a promise is known to have no start in sight."""
        sight = self._in_sight(gain)
        return (
            bool(sight)
            and job.fresh is not None
            and (job.request.duration or math.inf) > sight.get(job.request.shape, math.inf)
        )

    def candidates(self, gain: int) -> Iterator[Job]:
        """Fresh jobs in queue order, without those that have no start in sight: these cost a look at each shape, not at each job."""
        sight = self._in_sight(gain)
        passed_over = 0
        for job in self.fresh:
            if sight and (job.request.duration or math.inf) > sight.get(job.request.shape, math.inf):
                passed_over += 1
                if passed_over > PASSED_OVER:
                    assert job.fresh is not None
                    yield from self._candidates_behind((job.fresh, job), sight)
                    return
            else:
                yield job

    def _candidates_behind(self, entry: Entry, sight: dict[Any, float]) -> Iterator[Job]:
        """The same, behind an entry, from the first of each shape."""
        groups = list(self._index().values())
        heap: list[tuple[Entry, int]] = []
        for number, group in enumerate(groups):
            bound = sight.get(group.sample.shape, math.inf)
            if group.limits and group.limits[0] <= bound:
                found = group.first(bound, entry)
                if found is not None:
                    heap.append((found[0], number))
        heapify(heap)
        while heap:
            entry, number = heap[0]
            key, job = entry
            bound = sight.get(job.request.shape, math.inf)
            if job.fresh is key and (job.request.duration or math.inf) <= bound:
                yield job
            found = groups[number].first(sight.get(job.request.shape, math.inf), entry)
            if found is None:
                heappop(heap)
            else:
                heapreplace(heap, (found[0], number))

    def _in_sight(self, gain: int) -> dict[Any, float]:
        """Shape -> the longest limit that may have a start in sight, where that is known; what is known of an older gain is forgotten."""
        if self._sight_epoch != gain:
            self._sight_epoch = gain
            self._sight.clear()
        return self._sight

    def _add_fresh(self, job: Job, key: Key) -> None:
        job.fresh = key
        entry = (key, job)
        self.fresh.add(entry)
        if self.last_reserved is not None and key < self.last_reserved:
            self.overtakers.append(entry)
        if self._groups is not None:
            self._file(entry)

    def _remove_fresh(self, job: Job) -> None:
        job.fresh = None
        self.fresh.drop()
        if self._groups is not None:
            group = self._groups[job.request.shape]
            group.remove(job.request.duration or math.inf)
            if not group.limits:
                self._forget(group)

    def _file(self, entry: Entry) -> None:
        assert self._groups is not None
        request = entry[1].request
        group = self._groups.get(request.shape)
        if group is None:
            group = self._groups[request.shape] = Group(request)
        limit = request.duration or math.inf
        if not group.limits:
            group.bound = math.inf  # nobody has asked since it was empty
            self._live[group] = group.sample
        group.add(entry, limit)
        if limit <= group.bound:
            self._touch(group)

    def _forget(self, group: Group) -> None:
        """A group is empty. It is kept, as shapes recur, but not all of them for ever."""
        del self._live[group]
        assert self._groups is not None
        if len(self._groups) > 2 * len(self._live) + COMPACT:
            self._groups = {sample.shape: group for group, sample in self._live.items()}

    def _touch(self, group: Group) -> None:
        if not group.queued:
            group.queued = True
            self._stale.append(group)

    def _index(self) -> dict[Any, Group]:
        """The groups, made when a policy first asks what could start: fcfs never does."""
        if self._groups is None:
            self._groups = {}
            for job in self.fresh:
                assert job.fresh is not None
                self._file((job.fresh, job))
        return self._groups

    def check(self) -> None:
        """Compare the views with each other and raise AssertionError where one differs."""
        jobs = list(self)
        assert len(jobs) == self.size, (len(jobs), self.size)
        assert [j.key for j in jobs] == sorted(j.key for j in jobs if j.key is not None)
        assert {j.jobid: j.key for j in jobs if j.reserved is not None} == self.reserved
        fresh = [j for j in jobs if j.reserved is None]
        assert fresh == list(self.fresh), "fresh view"
        if self._groups is not None:
            filed = [j for group in self._groups.values() for view in group.views.values() for j in view]
            assert sorted(j.jobid for j in filed) == sorted(j.jobid for j in fresh), "groups"
            assert set(self._live) == {group for group in self._groups.values() if group.limits}, "live groups"
            views = [view for group in self._groups.values() for view in group.views.values()]
            assert all(view.live == len(list(view)) > 0 for view in views), "group count"
            assert all(group.limits == sorted(group.views) for group in self._groups.values()), "limits of a group"
        assert self.fresh.live == len(fresh), "fresh count"
        assert self._promised.keys() == self.reserved.keys(), "promised jobs"


def _by_key(job: Job) -> Key:
    return job.key if job.key is not None else ()
