"""Time in a graph pool: holders and promises as spans in the plans of the C core, which counts in ticks; the first half of `GraphPool`.

A job that holds something is booked from its start to its planned end, a promise from its start for as long as it asks. Promises bind amounts, counted at the root, while every one of
them is for so many single units of which any will do, and no node is down: so nobody is kept from a unit because of its name. As soon as one asks for more than that all of them name
vertices, until it is gone. Naming in the order of the starts always succeeds: intervals that fit by amount can be coloured with as many colours as the amount has.

Whoever is overdue is booked for as long again, a second at least. Promises in the way of that, or of an allocation that is entered, lapse: they are out of the plan, and come back as soon
as there is room for them at their time, on other vertices if need be. Those that have moved go back to their own as soon as these are free: what was promised then does not depend on
who asked something in between.

Not here: what a request means, what the machine is.
"""

from __future__ import annotations

import math
from functools import lru_cache
from heapq import heappop, heappush
from typing import TYPE_CHECKING

from attrs import define, evolve

from fluxplug.errors import InsufficientResources
from fluxplug.resource.pool import ResourcePoolImplementation
from fluxplug_pool_graph.core import PROMISE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fluxplug.clock import Clock
    from fluxplug_pool_graph.core import CoreRequest, MatchCore
    from fluxplug_pool_graph.pool.request import GraphRequest, GraphShape

#: Ticks of a second. Times are rounded up to ticks, so their order is kept.
TICKS = 10**6
#: How long a job without an end is booked for, and the latest time at which anything begins: an end beyond it is none.
ENDLESS = 2**62
LATEST = 2**61
#: The id under which an answer of `earliest_start` is booked until the next call.
ANSWER = -1
#: The id of a promise that is getting names.
NAMED = -2


@define(slots=True)
class Booking:
    """A span: `start` and `until` in ticks, as booked; `end` in seconds (infinite: none), as told. Who is overdue is booked beyond it."""

    start: int
    end: float
    until: int


@define(slots=True)
class Promised:
    """A promise: when, and how it is in the plan: by amount (`counted`), by name, or not at all (`lapsed`)."""

    request: GraphRequest
    compiled: CoreRequest
    start: float
    at: int
    counted: bool
    lapsed: bool = False

    @property
    def length(self) -> int:
        return length(self.request.duration)

    @property
    def end(self) -> float:
        return self.start + (self.request.duration or math.inf)

    @property
    def until(self) -> int:
        return self.at + self.length


def ticks(seconds: float) -> int:
    return math.ceil(seconds * TICKS)


@lru_cache(maxsize=1024)  # many jobs ask for few durations
def length(duration: float) -> int:
    """The ticks of a duration, 0 or infinite for no end."""
    return min(max(ticks(duration), 1), ENDLESS) if 0 < duration < math.inf else ENDLESS


class GraphPlan(ResourcePoolImplementation):
    """Who is booked when. A subclass compiles requests, and says what never fits."""

    clock: Clock
    core: MatchCore

    def _start_plan(self) -> None:
        self._jobs: dict[int, Booking] = {}
        self._promised: dict[int, Promised] = {}
        self._coming: list[
            tuple[int, int]
        ] = []  # (tick, job): ends of bookings and promises, those of the past among them
        self._lapsed = self._named = self._choosy = 0  # promises: lapsed, by name, and which only names can serve
        # Of promises that have lapsed and come back on other vertices: under which id the core keeps their own, lifted.
        self._homes: dict[int, int] = {}
        self._now = -math.inf
        self._tick = 0  # the same in ticks, once there is a present
        self._answer: tuple[GraphShape, float, float] | None = None
        self._answer_at = 0
        self._instants: dict[int, float] = {}

    def _compiled(self, shape: GraphShape) -> CoreRequest | None:
        """The request as the core reads it; None where no state of the machine could serve it."""
        raise NotImplementedError

    def _is_whole(self) -> bool:
        """Whether no node is down or removed."""
        raise NotImplementedError

    # Time.

    def _settled(self) -> MatchCore:
        """The core, with nothing in it but holders and promises, at the time at which it was asked last: enough to give something back."""
        core = self.core
        if self._answer is not None:
            core.cancel(ANSWER)
            self._answer = None
        return core

    def _synced(self) -> MatchCore:
        """The same at the present. Everybody is booked beyond it."""
        core = self._settled()
        if self._named and not self._choosy and self._is_whole():
            self._count_all()
        now = self.clock.now()
        if now > self._now:
            self._now = now
            at = self._tick = ticks(now)
            core.set_now(at)
            coming = self._coming
            while coming and coming[0][0] <= at:
                _, jobid = heappop(coming)
                self._pass_end(jobid, now)
        return core

    def _pass_end(self, jobid: int, now: float) -> None:
        """Somebody's end has come."""
        held, promise = self._jobs.get(jobid), self._promised.get(jobid)
        if held is not None and held.until <= ticks(now):
            self._book_until(jobid, held, now + max(1.0, now - held.end))
        if promise is not None and promise.until <= ticks(now) and not promise.lapsed:
            self._lapse(jobid, promise)

    def _note_end(self, jobid: int, until: int, end: float) -> None:
        """Remember when a span ends, in ticks, and the instant that this stands for, since ticks are coarser."""
        if end == math.inf:
            return
        heappush(self._coming, (until, jobid))
        instants = self._instants
        if end <= instants.get(until, -math.inf):
            return
        if len(instants) > 4 * (len(self._jobs) + len(self._promised)) + 1000:
            ends = [(held.until, held.end) for held in self._jobs.values()]
            ends += [(promise.until, promise.end) for promise in self._promised.values()]
            instants = self._instants = dict(sorted(ends))
        instants[until] = max(end, instants.get(until, end))

    def _time_of(self, at: int, after: float) -> float:
        """The instant of a tick; `after` was asked for."""
        return after if at <= ticks(after) else self._instants.get(at, at / TICKS)

    # Bookings.

    def _book_until(self, jobid: int, held: Booking, until: float) -> None:
        """Move the planned end of a holder to an instant. What is promised to others meanwhile lapses."""
        core = self.core
        core.lift(jobid)
        duration = max(1, ticks(until) - held.start) if until < math.inf else ENDLESS
        if not core.put_back(jobid, held.start, duration):
            self._lapse_all()
            if not core.put_back(jobid, held.start, duration):
                raise AssertionError(f"job {jobid} has lost what it holds")
        held.until = held.start + duration
        self._note_end(jobid, held.until, until)
        self._revive()

    def _search(self, compiled: CoreRequest, jobid: int, first: int, last: int, duration: int) -> int | None:
        """Book a promise at its first time, by amount if that is enough: then all promises are by amount, else all by name."""
        if self._counts(compiled):
            return self.core.find_amounts(compiled, jobid, first, last, duration)
        if len(self._promised) > self._lapsed + self._named:
            self._name_all()
        return self.core.find(compiled, jobid, first, last, duration, how=PROMISE)

    def _counts(self, compiled: CoreRequest) -> bool:
        return compiled.by_amount and not (self._named or self._choosy) and self._is_whole()

    def _name_all(self) -> None:
        """Name vertices for all promises, in the order of their starts; those for which there are none, since a node is down, lapse."""
        core = self.core
        for jobid, promise in sorted(self._promised.items(), key=lambda item: item[1].at):
            if promise.lapsed or not promise.counted:
                continue
            core.lift(jobid)
            if core.find(promise.compiled, NAMED, promise.at, promise.at, promise.length, how=PROMISE) is None:
                self._lapse(jobid, promise)
                continue
            core.cancel(jobid)
            core.rename(NAMED, jobid)
            promise.counted = False
            self._named += 1

    def _count_all(self) -> None:
        """The reverse."""
        core = self.core
        for jobid, promise in self._promised.items():
            if promise.lapsed or promise.counted:
                continue
            core.cancel(jobid)
            promise.counted = True
            self._named -= 1
            if core.find_amounts(promise.compiled, jobid, promise.at, promise.at, promise.length) is None:
                raise AssertionError(f"job {jobid} has lost what it was promised")

    def _lapse(self, jobid: int, promise: Promised) -> None:
        self.core.lift(jobid)
        promise.lapsed = True
        self._lapsed += 1
        self._named -= not promise.counted

    def _lapse_all(self) -> None:
        """Take all promises out of the plan."""
        for jobid, promise in self._promised.items():
            if not promise.lapsed:
                self._lapse(jobid, promise)

    def _revive(self) -> None:
        """Put promises that lapsed back, first those whose own vertices are free, then those for which there are others. Else in the order in which they were made."""
        for elsewhere in (False, True):
            for jobid, promise in self._promised.items() if self._lapsed else ():
                if not promise.lapsed or promise.at < ticks(self._now):
                    continue
                if self._is_back(jobid, promise, elsewhere=elsewhere):
                    self._note_end(jobid, promise.until, promise.end)
        if self._homes:
            self._go_home()

    def _go_home(self) -> None:
        """Put promises that have moved back to where they were, with those that lapsed and may need the room that this leaves. All of them, or nothing changes."""
        core, now, homes = self.core, ticks(self._now), self._homes
        named = {jobid: one for jobid, one in self._promised.items() if not one.counted}
        lapsed = {jobid: one for jobid, one in named.items() if one.lapsed and one.at >= now}
        moved = {jobid: named[jobid] for jobid in homes if jobid in named and not named[jobid].lapsed}
        for jobid in moved:
            core.lift(jobid)
        back: list[tuple[int, int]] = []
        for jobid, promise in (lapsed | moved).items():
            home = homes.get(jobid, jobid)
            if not core.put_back(home, promise.at, promise.length):
                break
            back.append((jobid, home))
        if len(back) < len(lapsed) + len(moved):
            for _, home in back:
                core.lift(home)
            for jobid, promise in moved.items():
                if not core.put_back(jobid, promise.at, promise.length):
                    raise AssertionError(f"job {jobid} has lost what it was promised")
            return
        for jobid, home in back:
            if home != jobid:
                core.cancel(jobid)
                core.rename(homes.pop(jobid), jobid)
        for jobid, promise in lapsed.items():
            promise.lapsed = False
            self._note_end(jobid, promise.until, promise.end)
        self._lapsed -= len(lapsed)
        self._named += len(lapsed)

    def _is_back(self, jobid: int, promise: Promised, *, elsewhere: bool) -> bool:
        """Whether a promise that lapsed could be put back."""
        core, counts = self.core, self._counts(promise.compiled)
        if not elsewhere:
            if promise.counted != counts or not core.put_back(jobid, promise.at, promise.length):
                return False
        else:
            if self._search(promise.compiled, ANSWER, promise.at, promise.at, promise.length) is None:
                return False
            if promise.counted or jobid in self._homes:
                core.cancel(jobid)
            else:
                home = self._homes[jobid] = min(self._homes.values(), default=NAMED) - 1
                core.rename(jobid, home)
            core.rename(ANSWER, jobid)
        promise.lapsed, promise.counted = False, counts
        self._lapsed -= 1
        self._named += not counts
        return True

    def _hold(self, jobid: int, duration: int, end: float) -> None:
        """Note that a job, booked for so many ticks from now on, holds something."""
        start = self._tick
        until = start + duration
        self._jobs[jobid] = Booking(start, end, until)
        self._note_end(jobid, until, end)
        self.generation += 1

    def _take(self, jobid: int, request: GraphRequest, compiled: CoreRequest) -> None:
        """Book a request from now on. Raises InsufficientResources, and then nothing has changed."""
        core = self._synced()
        now, duration = self._tick, length(request.duration)
        own = self._promised.get(jobid)
        if own is None:
            if core.find(compiled, jobid, now, now, duration) is None and not self._find_beside(
                compiled, jobid, now, duration
            ):
                raise InsufficientResources
            return
        if own.lapsed or own.counted or own.at != now or own.request != request:
            had_lapsed = own.lapsed
            if not had_lapsed:
                self._lapse(jobid, own)
            found = core.find(compiled, ANSWER, now, now, duration) is not None
            if not found and not self._find_beside(compiled, ANSWER, now, duration):
                if not had_lapsed:
                    self._put_back(jobid, own)
                raise InsufficientResources
            core.cancel(jobid)
            core.rename(ANSWER, jobid)
        self._forget(jobid)

    def _find_beside(self, compiled: CoreRequest, jobid: int, now: int, duration: int) -> bool:
        """Book a request from now on that was refused. A range takes as much as there is: beside promises by amount that may be too much, beside names it is not."""
        core = self.core
        if compiled.by_amount or len(self._promised) == self._lapsed + self._named:
            return False
        room = core.room(compiled, now)
        if room is not None and room < duration:
            return False
        self._name_all()
        return core.find(compiled, jobid, now, now, duration) is not None

    def _put_back(self, jobid: int, promise: Promised) -> None:
        """Take back a lapse after which nothing has changed, but that others may have got names."""
        if not self._is_back(jobid, promise, elsewhere=False):
            self._is_back(jobid, promise, elsewhere=True)

    def _promise(self, jobid: int, request: GraphRequest, compiled: CoreRequest, start: float, at: int) -> None:
        """Note a promise that `_search` has just booked."""
        promise = self._promised[jobid] = Promised(request, compiled, start, at, self._counts(compiled))
        self._named += not promise.counted
        self._choosy += not compiled.by_amount
        self._note_end(jobid, promise.until, promise.end)
        self.generation += 1

    def _forget(self, jobid: int) -> None:
        """Strike out a promise; its spans are the caller's business."""
        promise = self._promised.pop(jobid)
        self._lapsed -= promise.lapsed
        self._named -= not (promise.lapsed or promise.counted)
        self._choosy -= not promise.compiled.by_amount
        if jobid in self._homes:
            self.core.cancel(self._homes.pop(jobid))

    # The plan (fluxplug.resource.pool).

    def earliest_start(self, request: GraphRequest, after: float) -> float | None:
        """As the contract has it. O(log spans) a time at which the counts of the root would do, and a search of the graph at each."""
        compiled = self._compiled(request.shape)
        if compiled is None:
            return None
        self._synced()
        after = max(after, self._now)
        duration = length(request.duration)
        at = self._search(compiled, ANSWER, ticks(after), LATEST, duration)
        if at is None:
            return None
        start = self._time_of(at, after)
        self._answer, self._answer_at = (request.shape, request.duration, start), at
        return start

    def reserve(self, jobid: int, request: GraphRequest, start: float) -> None:
        """As the contract has it. What `earliest_start` was asked just before is booked already. ValueError for a job that holds something already."""
        if jobid in self._jobs:
            raise ValueError(f"job {jobid} already holds resources")
        compiled = self._compiled(request.shape)
        asked = self._answer == (request.shape, request.duration, start) and self.clock.now() == self._now
        at = self._answer_at if asked else max(ticks(start), ticks(self.clock.now()))
        own = self._promised.get(jobid)
        if own is not None and not asked and self._shorten(jobid, own, request, at):
            return
        if asked:
            self._answer = None
        core = self.core if asked else self._synced()
        if own is not None:
            core.cancel(jobid)
            self._forget(jobid)
            self.generation += 1
        if asked:
            core.rename(ANSWER, jobid)
        elif compiled is None or self._search(compiled, jobid, at, at, length(request.duration)) is None:
            self._revive()
            raise InsufficientResources(f"cannot be promised from {start}")
        assert compiled is not None, "it has been found a place"
        self._promise(jobid, request, compiled, start, at)

    def _shorten(self, jobid: int, own: Promised, request: GraphRequest, at: int) -> bool:
        """Keep what a promise names where it becomes no longer."""
        if own.lapsed or own.at != at or own.request.shape != request.shape:
            return False
        if (request.duration or math.inf) > (own.request.duration or math.inf):
            return False
        core = self._synced()
        core.lift(jobid)
        if not core.put_back(jobid, at, length(request.duration)):
            raise AssertionError(f"job {jobid} has lost what it was promised")
        own.request = request
        self._note_end(jobid, own.until, own.end)
        self.generation += 1
        return True

    def unreserve(self, jobid: int) -> None:
        """Take back the promise to a job; a job without one is ignored."""
        if jobid in self._promised:
            self._settled().cancel(jobid)
            self._forget(jobid)
            self.generation += 1
            self._revive()

    def drop_reservations(self) -> None:
        """Take back every promise."""
        core = self._settled()
        for jobid in list(self._promised):
            core.cancel(jobid)
            self._forget(jobid)
            self.generation += 1

    def reservations(self) -> Mapping[int, float]:
        """The start promised to each job."""
        return {jobid: promise.start for jobid, promise in self._promised.items()}

    def renew(self, queue: str, promised: Mapping[int, int], after: float) -> list[tuple[int, float]]:
        """As the contract has it. A promise that the counts of the root show to stay costs O(log spans)."""
        del queue
        core = self._synced()
        after = max(after, self._now)
        first = ticks(after)
        moved: list[tuple[int, float]] = []
        for jobid in sorted(promised, key=promised.__getitem__):
            own = self._promised.get(jobid)
            if own is None or own.at <= first:
                continue
            at = core.bound(own.compiled, jobid, first, own.at - 1, own.length)
            if at is None:
                continue
            had_lapsed = own.lapsed
            if not had_lapsed:
                self._lapse(jobid, own)
            at = self._search(own.compiled, ANSWER, at, own.at - 1, own.length)
            if at is None:
                if not had_lapsed:
                    self._put_back(jobid, own)
                continue
            core.cancel(jobid)
            core.rename(ANSWER, jobid)
            self._forget(jobid)
            start = self._time_of(at, after)
            self._promise(jobid, own.request, own.compiled, start, at)
            moved.append((jobid, start))
        return moved

    def rooms(self, requests: Sequence[GraphRequest]) -> list[float]:
        """Bounds from the counts at the root. O(log spans) each."""
        core = self._synced()
        now = ticks(self._now)
        found = []
        for request in requests:
            compiled = self._compiled(request.shape)
            room = -1 if compiled is None else core.room(compiled, now)
            if room is None or room >= LATEST:
                found.append(math.inf)
            else:
                found.append(-1.0 if room < 0 else (room + 1) / TICKS)
        return found

    # Copies, and the check.

    def _copy_plan(self, source: GraphPlan, *, planned: bool) -> None:
        """Become a copy of a plan whose core has been copied already."""
        self._jobs = {jobid: Booking(held.start, held.end, held.until) for jobid, held in source._jobs.items()}
        self._coming, self._instants = source._coming.copy(), source._instants.copy()
        self._now, self._tick, self._answer, self._answer_at = source._now, source._tick, None, 0
        self._lapsed, self._named, self._choosy = source._lapsed, source._named, source._choosy
        self._homes = source._homes.copy()
        self._promised = {jobid: evolve(promise) for jobid, promise in source._promised.items()}
        if not planned:
            for jobid in list(self._promised):
                self.core.cancel(jobid)
                self._forget(jobid)

    def _check_plan(self) -> None:
        core = self._synced()
        core.check()
        planned = {jobid: promise for jobid, promise in self._promised.items() if not promise.lapsed}
        assert set(core.jobs()) == {*self._jobs, *self._promised, *self._homes.values()}, (
            "somebody is booked who has nothing, or the reverse"
        )
        assert not self._jobs.keys() & self._promised.keys(), "somebody holds what is promised to him"
        assert self._lapsed == len(self._promised) - len(planned), "promises that lapsed"
        assert self._named == sum(not promise.counted for promise in planned.values()), "promises by name"
        assert self._named in (0, len(planned)), "some promises are by amount, others by name"
        assert self._choosy == sum(not one.compiled.by_amount for one in self._promised.values()), (
            "promises that only names serve"
        )
        assert all(held.until > ticks(self._now) for held in self._jobs.values()), (
            "somebody is booked until a time that has passed"
        )
