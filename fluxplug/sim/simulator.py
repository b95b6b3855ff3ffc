"""The simulator: drives the engine through a trace in virtual time.

At every instant: all ends, then what happens from outside (nodes that fail or return, cancels, changes), then all submissions in the
order of the trace, then priorities that are due to be computed anew, then one pass (reference/policies.md section 2). A promised start is an
instant of its own, and so is a look at the priorities while jobs wait. Submission, pool and
policies are those of a live instance; nothing here decides anything.
"""

from __future__ import annotations

import math
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any, Protocol

from fluxplug.engine import events as ev
from fluxplug.errors import RefusedError
from fluxplug.sim.outages import Cancel, ChangeLimit, ChangePriority, Outage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from fluxplug.engine.engine import Engine
    from fluxplug.priority import Priorities
    from fluxplug.sim.outages import OutsideEvent
    from fluxplug.sim.schedule import Schedule
    from fluxplug.sim.trace import TraceJob

OUTCOMES = {"alloc": "refused", "cancel": "cancelled", "timeout": "timeout", "exec": "failed"}
PROGRESS_EVERY = 1000

_new = tuple.__new__  # a third of the cost of calling a NamedTuple
_REST = tuple(ev.Submit._field_defaults[name] for name in ev.Submit._fields[4:])


class Admission(Protocol):
    """What turns a job of a trace into a request: see `fluxplug.ingest`."""

    def admit(self, job: TraceJob) -> tuple[str, Any, int]:
        """The queue that the job goes to, what it asks of the pool, with the duration that holds for it, and its width. Raises RefusedError."""


class Simulator:
    """One run of a trace under one configuration.

    `run` may be called again with a later `until`; it goes on where it stopped. `schedule` holds a row a job submitted so far.
    `parents` has the engine's queue for each virtual one. `priorities` are those that the engine was given: they are told of starts and
    ends, and looked at again at every multiple of their interval, but for jobs that an outside event gave another priority.
    """

    def __init__(
        self,
        engine: Engine,
        admission: Admission,
        jobs: Iterable[TraceJob],
        outside: Sequence[OutsideEvent] = (),
        *,
        schedule: Schedule,
        keep_ranks: bool = False,
        record: Callable[[ev.LogEntry], None] | None = None,
        parents: Mapping[str, str] | None = None,
        priorities: Priorities | None = None,
    ) -> None:
        self.engine = engine
        self.schedule = schedule
        self._admission = admission
        self._jobs = iter(jobs)
        self._next = next(self._jobs, None)
        self._outside = outside
        self._outside_at = 0
        self._ends: list[tuple[float, int, int]] = []
        self._active: dict[int, tuple[int, float, bool, float]] = {}
        self._moved: dict[int, int] = {}
        self._sequence = 0
        self._keep_ranks = keep_ranks
        self._record = record
        self._parents = parents
        self._priorities = priorities
        self._watching = priorities if priorities is not None and priorities.watches else None
        self._looks = priorities is not None and priorities.looks
        self._interval = priorities.interval if priorities is not None else None
        self._pinned: set[int] = set()
        self._down: dict[int, float] = {}
        self.instants = 0

    def run(self, until: float = math.inf, progress: Callable[[int], None] | None = None) -> Schedule:
        """Go on to the end of the trace, or through the last instant that is not after `until` (seconds of the trace)."""
        handle = self.engine.handle
        next_due = self.engine.next_due
        ends, outside = self._ends, self._outside
        coming, from_outside = self._next, self._outside_time()
        arrival = coming.submit if coming is not None else math.inf
        interval, look = self._interval, math.nan
        shown = len(self.schedule)
        while True:
            now = arrival
            if ends and ends[0][0] < now:
                now = ends[0][0]
            due = next_due()
            if due < now:
                now = due
            if from_outside < now:
                now = from_outside
            if interval is not None:
                look = self._next_look(now)
                now = min(now, look)
            if now == math.inf or now > until:
                break
            while ends and ends[0][0] == now:
                _, sequence, jobid = heappop(ends)
                self._end(jobid, now, sequence)
            while from_outside == now:
                self._apply(outside[self._outside_at])
                self._outside_at += 1
                from_outside = self._outside_time()
            while coming is not None and arrival == now:
                self._submit(coming)
                coming = self._next = next(self._jobs, None)
                arrival = coming.submit if coming is not None else math.inf
            if now == look:
                self._look(now)
            actions = handle(_new(ev.Pass, (now,)))
            if actions is not ev.NOTHING:
                self._perform(actions, now)
            self.instants += 1
            if progress is not None and len(self.schedule) - shown >= PROGRESS_EVERY:
                progress(len(self.schedule) - shown)
                shown = len(self.schedule)
        if progress is not None:
            progress(len(self.schedule) - shown)
        if until == math.inf:
            self.schedule.down.extend((rank, since, math.inf) for rank, since in sorted(self._down.items()))
        return self.schedule

    def next_instant(self) -> float:
        """The time of the next instant; infinite when all is over."""
        times = [self.engine.next_due(), self._outside_time()]
        if self._next is not None:
            times.append(self._next.submit)
        if self._ends:
            times.append(self._ends[0][0])
        return min(*times, self._next_look(min(times)))

    def _outside_time(self) -> float:
        """When the next event from outside happens; infinite if there is none."""
        return self._outside[self._outside_at].time if self._outside_at < len(self._outside) else math.inf

    def _next_look(self, other: float) -> float:
        """When the priorities are to be computed anew; infinite while no job waits, or nothing else will happen, at `other`."""
        engine = self.engine
        if self._interval is None or other == math.inf or len(engine.jobs) == len(engine.running):
            return math.inf
        look = (engine.now // self._interval + 1) * self._interval
        return look if look > engine.now else look + self._interval

    def _look(self, now: float) -> None:
        """Bring the priorities of the waiting jobs up to date."""
        assert self._priorities is not None
        for change in self._priorities.changes(self.engine.jobs.values(), now):
            if change.jobid not in self._pinned:
                self._perform(self.engine.handle(change), now)

    def run_until_submitted(self, jobid: int) -> None:
        """Go on until the job has been submitted, or to the end of the trace."""
        while self.row(jobid) is None and self._next is not None:
            self.run(until=self._next.submit)

    def row(self, jobid: int) -> dict[str, Any] | None:
        """What the schedule knows of a job so far; None before its submission. O(jobs)."""
        schedule = self.schedule
        if jobid not in schedule.job:
            return None
        i = schedule.job.index(jobid)
        times = {name: getattr(schedule, name)[i] for name in ("submit", "start", "end")}
        return {
            **{name: None if math.isnan(time) else time for name, time in times.items()},
            "width": schedule.width[i],
            "limit": schedule.limit[i],
            "outcome": schedule.outcome[i],
            **({"reason": schedule.refusals[jobid]} if jobid in schedule.refusals else {}),
        }

    def _submit(self, job: TraceJob) -> None:
        jobid, submit, run, asked, width, _, _, killed, _, actual, userid = job
        schedule = self.schedule
        row = len(schedule.job)
        schedule.job.append(jobid)
        schedule.submit.append(submit)
        schedule.start.append(math.nan)
        schedule.end.append(math.nan)
        schedule.ranks.append("")
        try:
            queue, request, width = self._admission.admit(job)
        except RefusedError as refusal:
            schedule.width.append(width)
            schedule.limit.append(asked)
            schedule.outcome.append("refused")
            schedule.queue.append("")
            reason = schedule.refusals[jobid] = str(refusal)
            note = f"refused: {reason}"
            schedule.notes[note] = schedule.notes.get(note, 0) + 1
            return
        if actual is None:
            actual = run
        limit = request.duration
        if limit != asked:  # a default of the site's, or what a plugin made of it
            killed = 0 < limit < actual
            run = limit if killed else actual
        schedule.width.append(width)
        schedule.limit.append(limit)
        schedule.outcome.append("pending")
        schedule.queue.append(queue)
        self._active[jobid] = (row, run, killed, actual)
        rest = (16, userid, (), _named(job, queue), *_REST[4:]) if self._looks else _REST
        if self._parents:
            queue = self._parents.get(queue, queue)
        actions = self.engine.handle(_new(ev.Submit, (submit, jobid, request, queue, *rest)))
        if actions is not ev.NOTHING:
            self._perform(actions, submit)

    def _perform(self, actions: ev.Actions, now: float) -> None:
        if self._record is not None:
            for entry in actions.log:
                self._record(entry)
        schedule = self.schedule
        for jobid, R, _ in actions.start:  # noqa: N806 - the format's name
            row, run, _, _ = self._active[jobid]
            schedule.start[row] = now
            schedule.outcome[row] = "running"
            if self._watching is not None:
                self._watching.plugin.started(self.engine.running[jobid], now)
            if self._keep_ranks:
                schedule.ranks[row] = str(R.ranks)
            self._sequence += 1
            heappush(self._ends, (now + run, self._sequence, jobid))
        for stop in actions.stop:
            row, _, _, _ = self._active[stop.jobid]
            schedule.outcome[row] = OUTCOMES.get(stop.reason, "failed")
            if stop.jobid in self.engine.running:
                self._end_at(stop.jobid, now)
            else:
                del self._active[stop.jobid]

    def _end_at(self, jobid: int, time: float) -> None:
        """A running job ends at another time than it was to."""
        self._sequence += 1
        self._moved[jobid] = self._sequence
        heappush(self._ends, (time, self._sequence, jobid))

    def _end(self, jobid: int, now: float, sequence: int) -> None:
        if self._moved and self._moved.get(jobid, sequence) != sequence:
            return
        active = self._active.pop(jobid, None)
        if active is None:
            return
        if self._moved:
            self._moved.pop(jobid, None)
        row, _, killed, _ = active
        schedule = self.schedule
        schedule.end[row] = now
        outcome = schedule.outcome[row]
        if outcome == "running":
            outcome = schedule.outcome[row] = "timeout" if killed else "completed"
        if self._watching is not None:
            self._watching.plugin.ended(self.engine.running[jobid], now)
        actions = self.engine.handle(_new(ev.Ended, (now, jobid, 0 if outcome == "completed" else 1 << 8)))
        if actions is not ev.NOTHING:
            self._perform(actions, now)

    def _apply(self, event: OutsideEvent) -> None:
        """Hand one event from outside to the engine; one about a job that is not active any more has come too late."""
        now = event.time
        if isinstance(event, Outage):
            ranks = str(event.ranks)
            self._note_outage(event)
            change: ev.Event = ev.NodesUp(now, ranks) if event.up else ev.NodesDown(now, ranks, not event.drain)
        elif event.job not in self._active:
            self.schedule.notes["events for jobs not active"] = (
                self.schedule.notes.get("events for jobs not active", 0) + 1
            )
            return
        elif isinstance(event, Cancel):
            change = ev.Cancel(now, event.job)
        elif isinstance(event, ChangeLimit):
            change = ev.SetLimit(now, event.job, event.limit)
            self._limit(event)
        elif isinstance(event, ChangePriority):
            if event.job in self.engine.running:
                return
            change = ev.SetPriority(now, event.job, event.priority)
            self._pinned.add(event.job)
        self._perform(self.engine.handle(change), now)
        while self._ends and self._ends[0][0] == now:
            _, sequence, jobid = heappop(self._ends)
            self._end(jobid, now, sequence)

    def _limit(self, event: ChangeLimit) -> None:
        """A job runs for as long as its new limit lets it; one that has had that long ends at once."""
        row, _, _, actual = self._active[event.job]
        killed = 0 < event.limit < actual
        run = event.limit if killed else actual
        self._active[event.job] = (row, run, killed, actual)
        self.schedule.limit[row] = event.limit
        if event.job in self.engine.running:
            self._end_at(event.job, max(self.schedule.start[row] + run, event.time))

    def _note_outage(self, event: Outage) -> None:
        for rank in event.ranks:
            if not event.up:
                self._down.setdefault(rank, event.time)
            elif rank in self._down:
                self.schedule.down.append((rank, self._down.pop(rank), event.time))


def _named(job: TraceJob, queue: str) -> dict[str, Any]:
    """The jobspec of a job of a trace, with the queue that it goes to."""
    jobspec = job.jobspec() if callable(job.jobspec) else job.jobspec
    attributes = jobspec.get("attributes") or {}
    system = {**(attributes.get("system") or {}), **({"queue": queue} if queue else {})}
    return {**jobspec, "attributes": {**attributes, "system": system}}
