"""The life of a pool, as a hypothesis state machine: anything that may happen to it, in any order, with every answer checked.

Jobs take resources and give them back, in part or early; promises are made, taken back, renewed and kept; nodes fail and return; copies
are made and thrown away. Time moves from event to event, and at each planned end the holder lets go: so every promise can and must be
kept. What holds only then is not asked while somebody is overdue. `PoolContract` runs it.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from attrs import define
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from fluxplug.clock import ManualClock
from fluxplug.errors import InfeasibleRequest, InsufficientResources
from fluxplug.resource.request import ResourceRequest
from fluxplug.testing import builders
from fluxplug.testing.contracts.books import Amounts, Books, Nodes, Twin, nodes_of
from fluxplug.testing.strategies import seconds
from fluxplug.values.idset import IDset

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hypothesis.strategies import SearchStrategy

    from fluxplug.testing.contracts.pool import PoolContract


NOBODY = 10**9
"""The id of a job that is tried and gone again."""


@define
class Running:
    """A job that holds something: what it asked for, what it has left, when it should end."""

    request: Any
    R: Any
    end: float
    whole: bool = True


@define
class Promised:
    """A job with a promise; `read` is its request as core reads it."""

    request: Any
    read: ResourceRequest
    start: float


class PoolLife(RuleBasedStateMachine):
    """One pool, from its making. `plain`: on a machine of interchangeable cores, against the plan of amounts."""

    plain = False

    def __init__(self, contract: PoolContract) -> None:
        super().__init__()
        self.contract = contract
        self.clock = ManualClock(100)
        self.jobs: dict[int, Running] = {}
        self.promised: dict[int, Promised] = {}
        self.number = 0
        self.overdue = False

    # Where it begins.

    def machines(self) -> SearchStrategy[dict[str, Any]]:
        return self.contract.machines

    def asks(self, machine: Mapping[str, Any]) -> SearchStrategy[dict[str, Any]]:
        return self.contract.asks(machine)

    @initialize(data=st.data())
    def begin(self, data: st.DataObject) -> None:
        machine = data.draw(self.machines(), label="machine")
        self.pool = self.make_pool(machine)
        self.pool.mark_up("all")
        self.books = Books(machine)
        # What the jobs of this life ask for: drawn once, because a choice among them costs a tenth of a new one.
        asks = data.draw(st.lists(self.asks(machine), min_size=3, max_size=8), label="asks")
        self.menu = [pair for ask in [*asks, {"width": 1, "limit": 5}] if (pair := self.read(ask)) is not None]
        assert self.menu, "a pool has to parse a request for one core"
        self.probes = [request for request, _ in self.menu[:2]]
        self.submit(data, data.draw(st.integers(0, 5), label="jobs"))

    def make_pool(self, machine: dict[str, Any]) -> Any:
        return self.contract.make_pool(machine, self.clock)

    def read(self, ask: Mapping[str, Any]) -> tuple[Any, ResourceRequest] | None:
        """A request as the pool reads it and as core does; None where the pool does not serve such."""
        spec = builders.jobspec(**ask)
        read = ResourceRequest.from_jobspec(spec)
        try:
            request = self.pool.parse_resource_request(spec)
        except (ValueError, KeyError):
            return None
        assert request.duration == read.duration, "the request's duration is not the jobspec's"
        return request, read

    def draw(self, data: st.DataObject) -> tuple[Any, ResourceRequest]:
        place = data.draw(st.integers(0, len(self.menu) - 1), label="of the menu, number")
        return self.menu[place]

    # Taking.

    def submit(self, data: st.DataObject, jobs: int) -> None:
        """What policies do: each job starts if it can, and else is promised its earliest start."""
        for _ in range(jobs):
            request, read = self.draw(data)
            self.number += 1
            if not self.try_alloc(self.number, request, read):
                self.try_reserve(self.number, request, read)

    @rule(data=st.data(), jobs=st.integers(1, 4))
    def submit_some(self, data: st.DataObject, jobs: int) -> None:
        self.submit(data, jobs)

    @rule(data=st.data())
    def alloc(self, data: st.DataObject) -> None:
        self.number += 1
        self.try_alloc(self.number, *self.draw(data))

    @precondition(lambda self: self.promised)
    @rule(data=st.data(), late=st.sampled_from([0, 0, 0.5]))
    def backfill(self, data: st.DataObject, late: float) -> None:
        """Jobs that end just when a promise begins, or just too late."""
        for _ in range(3):
            request, read = self.draw(data)
            starts = sorted({one.start for one in self.promised.values() if one.start > self.clock.now()})
            if starts and self.pool.rooms([request])[0] >= 0:
                self.number += 1
                until = data.draw(st.sampled_from(starts), label="until")
                self.try_alloc(self.number, request.with_duration(until - self.clock.now() + late), read)

    def try_alloc(self, jobid: int, request: Any, read: ResourceRequest) -> bool:
        pool, now = self.pool, self.clock.now()
        generation = pool.generation
        first = pool.earliest_start(request, now)
        room = pool.rooms([request])[0]
        try:
            pool.check_feasibility(request)
        except InfeasibleRequest:
            with pytest.raises(InfeasibleRequest):
                pool.alloc(jobid, request)
            return False
        try:
            R = pool.alloc(jobid, request)  # noqa: N806 - the format's name
        except InsufficientResources:
            assert first != now, "earliest_start says now, alloc says no"
            assert jobid not in dict(pool.job_end_times())
            return False
        assert first == now or not self.contract.exact, f"alloc succeeds, though earliest_start says {first}, not {now}"
        assert room >= (request.duration or math.inf), f"alloc succeeds, though there is room for {room} s alone"
        assert pool.generation > generation, "generation has to grow"
        self.enter(jobid, request, read, R)
        return True

    def enter(self, jobid: int, request: Any, read: ResourceRequest, R: Any) -> None:  # noqa: N803
        self.books.serves(read, R)
        self.books.take(jobid, R)
        self.jobs[jobid] = Running(request, R, self.clock.now() + (request.duration or math.inf))
        self.promised.pop(jobid, None)

    # Giving back.

    @precondition(lambda self: self.jobs)
    @rule(data=st.data(), with_R=st.booleans(), final=st.booleans())
    def free(self, data: st.DataObject, with_R: bool, final: bool) -> None:  # noqa: N803
        jobid = data.draw(st.sampled_from(sorted(self.jobs)), label="job")
        generation = self.pool.generation
        self.give_back(jobid, self.jobs[jobid].R if with_R else None, final)
        assert self.pool.generation > generation, "generation has to grow"
        generation = self.pool.generation
        self.pool.free(jobid, final=True)  # it holds nothing any more: ignored
        assert self.pool.generation == generation

    def give_back(self, jobid: int, R: Any = None, final: bool = True) -> None:  # noqa: N803
        self.pool.free(jobid, R, final=final)
        del self.jobs[jobid], self.books.held[jobid]
        self.overdue = any(job.end <= self.clock.now() for job in self.jobs.values())

    @precondition(lambda self: not self.plain and any(len(nodes_of(job.R) or ()) > 1 for job in self.jobs.values()))
    @rule(data=st.data())
    def free_in_part(self, data: st.DataObject) -> None:
        several = [jobid for jobid, job in sorted(self.jobs.items()) if len(nodes_of(job.R) or ()) > 1]
        jobid = data.draw(st.sampled_from(several), label="job")
        job = self.jobs[jobid]
        ranks = sorted(nodes_of(job.R) or ())
        some = data.draw(
            st.lists(st.sampled_from(ranks), min_size=1, max_size=len(ranks) - 1, unique=True), label="ranks"
        )
        part = self.contract.part_of(job.R, IDset(some))
        if part is None:
            return
        with pytest.raises(ValueError, match=r"."):
            self.pool.free(jobid, part, final=True)
        self.pool.free(jobid, part)
        job.R = self.contract.part_of(job.R, IDset(ranks) - IDset(some))
        job.whole = False
        self.books.held[jobid] = job.R

    @precondition(lambda self: len(self.jobs) > 1 and not self.plain)
    @rule(data=st.data())
    def free_what_is_another_s(self, data: st.DataObject) -> None:
        jobid, other = data.draw(st.permutations(sorted(self.jobs)), label="jobs")[:2]
        nodes = nodes_of(self.jobs[other].R)
        if nodes is not None:
            before = self.state()
            with pytest.raises(ValueError, match=r"."):
                self.pool.free(jobid, self.jobs[other].R)
            assert self.state() == before, "an error has to leave everything as it is"

    @precondition(lambda self: any(job.whole for job in self.jobs.values()))
    @rule(data=st.data())
    def restart(self, data: st.DataObject) -> None:
        """What a job holds is forgotten, and entered again."""
        whole = [jobid for jobid, job in sorted(self.jobs.items()) if job.whole]
        jobid = data.draw(st.sampled_from(whole), label="job")
        job = self.jobs[jobid]
        if self.promised and job.end == math.inf:
            return
        before = self.state()
        self.pool.free(jobid)
        self.pool.register_alloc(jobid, job.R)
        if job.end < math.inf:
            self.pool.update_expiration(jobid, job.end)
        assert self.state() == before

    @precondition(lambda self: self.jobs)
    @rule(data=st.data(), more=st.one_of(seconds(), st.just(0)))
    def change_end(self, data: st.DataObject, more: float) -> None:
        """The end of a job moves: forward at any time, back only while there are no promises."""
        jobid = data.draw(st.sampled_from(sorted(self.jobs)), label="job")
        job = self.jobs[jobid]
        end = self.clock.now() + more if more else math.inf
        if self.promised:
            end = min(end, job.end)
        self.pool.update_expiration(jobid, 0.0 if end == math.inf else end)
        job.end = end
        self.overdue = any(job.end <= self.clock.now() for job in self.jobs.values())

    # Promises.

    @rule(data=st.data(), later=st.one_of(st.just(0), seconds()))
    def look_ahead(self, data: st.DataObject, later: float) -> None:
        """earliest_start, where nobody has a promise, is when enough has ended."""
        request, _ = self.draw(data)
        if self.overdue or not self.feasible(request):
            return
        after = self.clock.now() + later
        start = self.pool.earliest_start(request, after)
        assert start is None or start >= after
        if not self.promised:
            assert start == self.obvious_start(request, after)
        elif not self.books.down and all(end < math.inf for end in self.ends()):
            assert start is not None, "everything ends some time, so it fits some time"

    def feasible(self, request: Any) -> bool:
        try:
            self.pool.check_feasibility(request)
        except InfeasibleRequest:
            return False
        return True

    def ends(self) -> list[float]:
        promised = self.promised.values()
        return [job.end for job in self.jobs.values()] + [
            one.start + (one.request.duration or math.inf) for one in promised
        ]

    def obvious_start(self, request: Any, after: float) -> float | None:
        """Free what ends, by time, until the request can be placed on what is left of a copy."""
        future = self.pool.copy()
        left = sorted((job.end, jobid) for jobid, job in self.jobs.items() if job.end < math.inf)
        for time in sorted({after, *(end for end, _ in left if end > after)}):
            while left and left[0][0] <= time:
                future.free(left.pop(0)[1], final=True)
            try:
                future.place(NOBODY, request)
            except InsufficientResources:
                continue
            return time
        return None

    @rule(data=st.data())
    def reserve(self, data: st.DataObject) -> None:
        self.number += 1
        self.try_reserve(self.number, *self.draw(data))

    def try_reserve(self, jobid: int, request: Any, read: ResourceRequest) -> None:
        if self.overdue or not self.feasible(request):
            return
        start = self.pool.earliest_start(request, self.clock.now())
        if start is None:
            return
        for time in self.moments_before(start):
            before = self.pool.reservations()
            with pytest.raises(InsufficientResources):
                self.pool.reserve(jobid, request, time)
            assert dict(self.pool.reservations()) == dict(before)
        generation = self.pool.generation
        self.pool.reserve(jobid, request, start)
        assert self.pool.generation > generation, "generation has to grow"
        self.promised[jobid] = Promised(request, read, start)

    def moments_before(self, start: float) -> list[float]:
        """Instants at which something happens before `start`, and some between them."""
        now = self.clock.now()
        events = {now, *self.ends(), *(one.start for one in self.promised.values())}
        found = sorted(time for time in events if now <= time < start)
        return [*found[:4], *((a + b) / 2 for a, b in pairwise([*found, start]))][:6]

    @rule(data=st.data())
    def reserve_and_take_back(self, data: st.DataObject) -> None:
        request, _ = self.draw(data)
        if self.overdue or not self.feasible(request):
            return
        now = self.clock.now()
        start = self.pool.earliest_start(request, now)
        if start is not None:
            before = self.answers()
            self.pool.reserve(NOBODY, request, start)
            self.pool.unreserve(NOBODY)
            assert self.answers() == before, "unreserve has to restore the plan"

    def answers(self) -> list[Any]:
        """What the pool says about some requests, and about itself."""
        now = self.clock.now()
        starts = [self.pool.earliest_start(probe, now) for probe in self.probes]
        return [starts, self.pool.rooms(self.probes), self.state()]

    @precondition(lambda self: self.promised)
    @rule(data=st.data())
    def unreserve(self, data: st.DataObject) -> None:
        jobid = data.draw(st.sampled_from(sorted(self.promised)), label="job")
        self.pool.unreserve(jobid)
        del self.promised[jobid]
        self.pool.unreserve(jobid)  # it has none any more: ignored

    @precondition(lambda self: len(self.promised) > 2)
    @rule()
    def drop_reservations(self) -> None:
        self.pool.drop_reservations()
        self.promised.clear()

    @precondition(lambda self: self.promised and self.jobs and not self.overdue)
    @rule(data=st.data())
    def end_early_and_renew(self, data: st.DataObject) -> None:
        self.give_back(data.draw(st.sampled_from(sorted(self.jobs)), label="job"))
        self.renew_all(data)

    @precondition(lambda self: self.promised and not self.overdue)
    @rule(data=st.data())
    def renew(self, data: st.DataObject) -> None:
        self.renew_all(data)

    def renew_all(self, data: st.DataObject) -> None:
        """Promises move earlier or stay."""
        order = data.draw(st.permutations(sorted(self.promised)), label="order")
        now = self.clock.now()
        moved = self.pool.renew("", {jobid: place for place, jobid in enumerate(order)}, now)
        for jobid, start in moved:
            assert start < self.promised[jobid].start, f"job {jobid} is told to have moved to {start}, which is no gain"
            assert start >= now, "renewed into the past"
            self.promised[jobid].start = start
        assert len(dict(moved)) == len(moved), "a round moves a promise once"

    # Time.

    @precondition(lambda self: self.jobs or self.promised)
    @rule(events=st.integers(1, 3), then=st.sampled_from([0, 0, 0.5]))
    def wait(self, events: int, then: float) -> None:
        """Go on to the next ends and promises. Holders let go at their end; every promise is kept when it is due."""
        for _ in range(events):
            if self.coming() == math.inf and self.jobs:
                self.give_back(min(self.jobs))
            self.step()
        if self.clock.now() + then < self.coming():
            self.clock.time += then

    def coming(self) -> float:
        ends = [job.end for job in self.jobs.values()]
        return max(min([*ends, *(one.start for one in self.promised.values())], default=math.inf), self.clock.now())

    def step(self) -> None:
        now = self.coming()
        if now == math.inf:
            return
        self.clock.time = now
        for jobid in sorted(jobid for jobid, job in self.jobs.items() if job.end <= now):
            self.give_back(jobid)
        due = [jobid for jobid, one in self.promised.items() if one.start <= now]
        for jobid in sorted(due, key=lambda jobid: (self.promised[jobid].start, jobid)):
            one = self.promised[jobid]
            try:
                R = self.pool.alloc(jobid, one.request)  # noqa: N806
            except InsufficientResources as refusal:
                raise AssertionError(
                    f"job {jobid} was promised a start at {one.start}, and is refused at {now}"
                ) from refusal
            self.enter(jobid, one.request, one.read, R)

    @precondition(
        lambda self: not (self.plain or self.promised) and any(job.end < math.inf for job in self.jobs.values())
    )
    @rule()
    def be_late(self) -> None:
        """A holder does not let go in time."""
        self.clock.time = max(self.clock.now(), min(job.end for job in self.jobs.values())) + 0.25
        self.overdue = True
        for jobid, job in self.jobs.items():
            if job.end <= self.clock.now():
                start = self.pool.earliest_start(job.request, self.clock.now())
                assert start is None or start > self.clock.now() or self.try_again(job.request), (
                    f"job {jobid} still holds it"
                )

    def try_again(self, request: Any) -> bool:
        """Whether a copy really has room for a request now."""
        try:
            self.pool.copy().place(NOBODY, request)
        except InsufficientResources:
            return False
        return True

    # Nodes.

    # Before nodes fail the engine takes back all promises: here they fail while there are none.

    @precondition(lambda self: not (self.plain or self.promised))
    @rule(data=st.data(), jobs=st.integers(0, 1))
    def fail(self, data: st.DataObject, jobs: int) -> None:
        """All nodes fail, some jobs come, and all are back."""
        self.mark(down=True)
        self.submit(data, jobs)
        self.mark(down=False)

    @precondition(lambda self: not (self.plain or self.promised or self.books.down) and len(self.books.total) > 1)
    @rule(data=st.data())
    def mark_down(self, data: st.DataObject) -> None:
        self.mark(data.draw(st.lists(st.sampled_from(sorted(self.books.total)), unique=True), label="ranks"), down=True)

    @precondition(lambda self: self.books.down)
    @rule(data=st.data())
    def mark_up(self, data: st.DataObject) -> None:
        """Nodes come back, and promises stay."""
        self.mark(data.draw(st.lists(st.sampled_from(sorted(self.books.down)), unique=True), label="ranks"), down=False)

    def mark(self, ranks: list[int] | None = None, *, down: bool) -> None:
        """Nodes (None: all) go down or come up; a rank that is unknown is ignored."""
        ids = "all" if ranks is None else IDset([*ranks, 7777]).encode()
        changed = set(self.books.total if ranks is None else ranks)
        if down:
            self.pool.mark_down(ids)
            self.books.down |= changed
        else:
            self.pool.mark_up(ids)
            self.books.down -= changed

    # Copies.

    @rule(data=st.data())
    def copy(self, data: st.DataObject) -> None:
        """A copy answers as the pool does, promises aside, and neither feels what happens to the other."""
        request, _ = self.draw(data)
        before = self.state()
        new = self.pool.copy()
        assert self.state(new) == [*before[:-1], {}], "a copy is in the same state, without promises"
        new.check()
        if self.feasible(request):
            try:
                new.alloc(NOBODY, request)
            except InsufficientResources:
                assert self.promised or self.pool.earliest_start(request, self.clock.now()) != self.clock.now()
        for jobid in sorted(self.jobs)[::2]:
            new.free(jobid, final=True)
        new.mark_down("all")
        new.check()
        assert self.state() == before, "what happens to a copy has happened to the pool"

    # What always holds.

    def state(self, pool: Any = None) -> list[Any]:
        pool = self.pool if pool is None else pool
        held, down = pool.copy_allocated(), pool.copy_down()
        return [
            nodes_of(held),
            held.count("core"),
            held.count("gpu"),
            sorted(down.ranks),
            sorted(pool.job_end_times()),
            dict(pool.reservations()),
        ]

    @invariant()
    def books_agree(self) -> None:
        if not hasattr(self, "books"):
            return
        self.pool.check()
        books = self.books
        ends = [(jobid, 0.0 if job.end == math.inf else job.end) for jobid, job in self.jobs.items()]
        nodes, cores, gpus, down, told, promised = self.state()
        assert told == sorted(ends), "job_end_times"
        assert (cores, gpus) == (books.count("core"), books.count("gpu")), "copy_allocated is not what is held"
        if nodes is not None and not any(nodes_of(job.R) is None for job in self.jobs.values()):
            expected: Nodes = books.nodes()
            assert nodes == expected, "copy_allocated is not what is held"
        assert down == sorted(books.down), "copy_down"
        assert promised == {jobid: one.start for jobid, one in self.promised.items()}, "reservations"
        whole = self.pool.to_set()
        assert (whole.count("core"), whole.count("gpu")) == (books.ncores, books.ngpus), "to_set"

    def teardown(self) -> None:
        """In the end every promise is kept."""
        if hasattr(self, "books") and not self.overdue:
            while self.promised and self.coming() < math.inf:
                self.step()
                self.pool.check()


class PlainLife(PoolLife):
    """The same on interchangeable cores, where every answer is known."""

    plain = True

    def machines(self) -> SearchStrategy[dict[str, Any]]:
        assert self.contract.interchangeable is not None
        return self.contract.interchangeable

    def asks(self, machine: Mapping[str, Any]) -> SearchStrategy[dict[str, Any]]:
        return self.contract.plain_asks(machine)

    def make_pool(self, machine: dict[str, Any]) -> Any:
        pool = self.contract.make_pool(machine, self.clock)
        return Twin(pool, Amounts(Books(machine).ncores, self.clock))
