"""The core loop's middle: events in, actions out. No I/O, no clock, no randomness.

    actions = engine.handle(event)

A driver hands over every event of an instant and then `Pass`; the engine moves jobs through the life cycle (`states`), keeps the
pending queues, and lets each queue's policy run when something happened that could matter to it. Handling the same events again,
from an engine in the same state, gives the same actions: crash recovery is replay.
"""

from __future__ import annotations

import math
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any

from attrs import define, field

from fluxplug.clock import ManualClock
from fluxplug.engine import events as ev
from fluxplug.engine.job import Job
from fluxplug.engine.passes import Pass
from fluxplug.engine.queue import PendingQueue
from fluxplug.engine.states import FATAL, InvalidTransitionError, State, last_state, next_state
from fluxplug.errors import FluxplugError, InfeasibleRequest, InsufficientResources

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from fluxplug.policy import QueuePolicy
    from fluxplug.resource.pool import ResourcePoolImplementation

HOLD, EXPEDITE, PRIORITY_MAX = 0, 31, 2**32 - 1

_new = tuple.__new__  # a third of the cost of calling a NamedTuple

ADMITTED = last_state(State.NEW, "validate", "depend", "priority")
OVER = last_state(State.RUN, "finish", "clean")
"""Where the usual sequences lead, for engines that keep no log."""


class EngineError(FluxplugError):
    """An event that makes no sense now: an unknown job or queue, a second job of the same id."""


@define(eq=False)
class QueueState:
    """One queue: its policy, its pending jobs, and whether a pass could achieve anything.

    `depth` bounds how many pending jobs a pass looks at; None for all.
    """

    name: str
    policy: QueuePolicy
    depth: int | None = None
    pending: PendingQueue = field(init=False)
    wanted: bool = False
    dues: list[tuple[float, int, Job]] = field(factory=list)

    def __attrs_post_init__(self) -> None:
        self.pending = PendingQueue(self.name)

    def promise(self, job: Job, start: float) -> None:
        """Note a promised start; it is an instant of its own when it comes."""
        self.pending.reserve(job, start)
        heappush(self.dues, (start, job.sequence, job))

    def next_due(self) -> float:
        """The next promised start; infinite if there is none."""
        dues = self.dues
        while dues:
            start, _, job = dues[0]
            if job.reserved == start:
                return start
            heappop(dues)
        return math.inf

    def pop_due(self, now: float) -> list[Job]:
        """Jobs whose promise has come; each is returned once."""
        found: list[Job] = []
        if not self.dues or self.dues[0][0] > now:
            return found
        while self.next_due() <= now:
            job = heappop(self.dues)[2]
            if not found or found[-1] is not job:  # else the same start was promised to it twice
                found.append(job)
        return found


def by_urgency(job: Job) -> int:
    """The built-in priority: the urgency; held jobs have 0, expedited ones the maximum."""
    return PRIORITY_MAX if job.urgency == EXPEDITE else job.urgency


class Engine:
    """Pending queues, running jobs and one pool, driven by events.

    `queues` maps a name to (policy, queue depth or None), in the order in which their passes run. `priority` computes a job's
    priority, `dependencies` what it must wait for beside what it was submitted with; `begin_pass` and `end_pass` are called around each
    pass. With `log=False` no event logs are made.
    """

    def __init__(
        self,
        pool: ResourcePoolImplementation,
        queues: Mapping[str, tuple[QueuePolicy, int | None]],
        *,
        clock: ManualClock | None = None,
        priority: Callable[[Job], int] = by_urgency,
        dependencies: Callable[[Job], list[str]] | None = None,
        begin_pass: Callable[[str, float], None] | None = None,
        end_pass: Callable[[str, float, list[int], dict[int, float]], None] | None = None,
        log: bool = True,
    ) -> None:
        self.pool = pool
        self.clock = clock if clock is not None else ManualClock()
        self.queues = {name: QueueState(name, policy, depth) for name, (policy, depth) in queues.items()}
        self._states = tuple(self.queues.values())
        self.jobs: dict[int, Job] = {}
        self.running: dict[int, Job] = {}
        self.parked: dict[int, Job] = {}
        self.gain = 0
        self.freed = False
        self.down = 0
        self.passes = 0
        self._empty: ResourcePoolImplementation | None = None
        self._crippled: dict[Any, bool] = {}
        self._feasible: dict[Any, str | None] = {}
        self._sequence = 0
        self._priority = priority
        self._dependencies = dependencies
        self._begin_pass = begin_pass
        self._end_pass = end_pass
        self._logging = log
        self._actions = ev.Actions()
        self._handlers: dict[type, Callable[[Any], None]] = {
            ev.Submit: self._submit,
            ev.Ended: self._ended,
            ev.Pass: self._pass,
            ev.Cancel: self._cancel,
            ev.SetUrgency: self._set_urgency,
            ev.SetPriority: self._set_priority,
            ev.DependencyMet: self._dependency_met,
            ev.SetLimit: self._set_limit,
            ev.NodesDown: self._nodes_down,
            ev.NodesUp: self._nodes_up,
        }

    @property
    def now(self) -> float:
        """The instant of the last event."""
        return self.clock.time

    def handle(self, event: ev.Event) -> ev.Actions:
        """Take one event and return what is to be done.

        Raises EngineError for an event that makes no sense; the state is then unchanged. Time must not go backwards.
        """
        clock, time = self.clock, event.time
        before = clock.time
        if time < before:
            raise EngineError(f"{type(event).__name__} at {time}: time went backwards from {before}")
        actions = self._actions
        clock.time = time
        try:
            self._handlers[type(event)](event)
        except BaseException as error:
            self._actions = ev.Actions()
            if isinstance(error, (EngineError, InvalidTransitionError)):
                clock.time = before
            raise
        if actions.start or actions.log or actions.stop:
            self._actions = ev.Actions()
            return actions
        return ev.NOTHING

    def replay(self, events: Iterable[ev.Event]) -> None:
        """Bring a new engine to where the events lead; their actions have been carried out before."""
        for event in events:
            self.handle(event)

    def next_due(self) -> float:
        """The next promised start in any queue: an instant at which a driver must pass `Pass` even if nothing happens."""
        first = math.inf
        for state in self._states:
            if state.dues and (due := state.next_due()) < first:
                first = due
        return first

    def wants_pass(self) -> bool:
        """Whether a pass now could change anything."""
        now = self.clock.time
        return any(state.wanted or state.next_due() <= now for state in self._states)

    # What passes do.

    def begin(self, job: Job, R: Any, now: float) -> None:  # noqa: N803
        """A job has got its resources."""
        self.queues[job.queue].pending.remove(job)
        job.R = R
        job.started = now
        job.ends = now + (job.request.duration or math.inf)
        self.running[job.jobid] = job
        job.state = State.RUN
        actions = self._actions
        actions.start.append(_new(ev.Start, (job.jobid, R, job.ends)))
        if self._logging:
            actions.log.append(ev.LogEntry(now, job.jobid, "alloc"))
            actions.log.append(ev.LogEntry(now, job.jobid, "start"))

    def release(self, job: Job) -> None:
        """Take back the promise to a pending job."""
        if job.reserved is not None:
            self.pool.unreserve(job.jobid)
            self.queues[job.queue].pending.unreserve(job)
            self.gain += 1

    def park(self, job: Job) -> None:
        """Set aside an eligible job that needs nodes that are down, until one comes back."""
        if job.reserved is not None:
            self.pool.unreserve(job.jobid)
            self.gain += 1
        self.queues[job.queue].pending.remove(job)
        job.parked = True
        self.parked[job.jobid] = job

    def needs_down(self, request: Any) -> bool:
        """Whether nothing but a returning node can help: not even all of what is up would do. Cached by shape."""
        if not self.down:
            return False
        shape = request.shape
        known = self._crippled.get(shape)
        if known is None:
            empty = self._empty
            if empty is None:
                empty = self._empty = self.pool.copy()
                for jobid, _ in empty.job_end_times():
                    empty.free(jobid, final=True)
            try:
                empty.place(0, request)
            except (InsufficientResources, InfeasibleRequest):
                known = True
            else:
                known = False
                empty.free(0, final=True)
            self._crippled[shape] = known
        return known

    def refuse(self, job: Job, note: str) -> None:
        """End a pending job that can never run."""
        self._raise(job, "alloc", note)

    # Events.

    def _submit(self, event: ev.Submit) -> None:
        if event.jobid in self.jobs:
            raise EngineError(f"job {event.jobid} was submitted before")
        name = event.queue or next(iter(self.queues))
        if name not in self.queues:
            raise EngineError(f"job {event.jobid}: no queue {name!r}; there are {', '.join(self.queues)}")
        self._sequence += 1
        job = Job(event.jobid, event.request, name, event.time, self._sequence, event.urgency, event.userid)
        job.jobspec = event.jobspec
        self.jobs[event.jobid] = job
        if event.dependencies:
            job.dependencies.update(event.dependencies)
        if self._dependencies is not None:
            job.dependencies.update(self._dependencies(job))
        reason = self._infeasible(job)
        if reason is None and not (self._logging or job.dependencies):
            job.state = ADMITTED
            job.priority = self._priority(job)
            self._enter(job)
            return
        if self._logging:
            context = {"urgency": event.urgency, "userid": event.userid, "flags": 0, "version": 1}
            self._log(job, "submit", context)
            for description in sorted(job.dependencies):
                self._log(job, "dependency-add", {"description": description})
        self._move(job, "validate")
        if reason is not None:
            self._raise(job, "alloc", reason)
        elif not job.dependencies:
            self._depended(job)

    def _ended(self, event: ev.Ended) -> None:
        job = self.running.pop(event.jobid, None)
        if job is None:
            raise EngineError(f"job {event.jobid} ended, but it was not running")
        del self.jobs[event.jobid]
        self.pool.free(event.jobid, final=True)
        self.gain += 1
        if job.ends != event.time:
            self.freed = True
        for state in self._states:
            state.wanted = True
        if not self._logging:
            job.state = OVER
            return
        if job.state == State.RUN:
            self._move(job, "finish", {"status": event.status})
        else:
            self._log(job, "finish", {"status": event.status})
        self._log(job, "release", {"ranks": "all", "final": True})
        self._log(job, "free")
        self._move(job, "clean")

    def _cancel(self, event: ev.Cancel) -> None:
        job = self._job(event.jobid)
        if job.state == State.CLEANUP:
            return
        self._raise(job, event.type, event.note)

    def _set_urgency(self, event: ev.SetUrgency) -> None:
        job = self._job(event.jobid)
        if job.state > State.SCHED:
            raise EngineError(f"job {event.jobid} has its resources: its urgency cannot change")
        job.urgency = event.urgency
        self._move(job, "urgency", {"urgency": event.urgency, "userid": event.userid} if self._logging else None)
        if job.state == State.PRIORITY:
            self._reprioritise(job, self._priority(job))

    def _set_priority(self, event: ev.SetPriority) -> None:
        job = self._job(event.jobid)
        if job.state != State.SCHED:
            raise EngineError(f"job {event.jobid} is not waiting to be scheduled: its priority cannot change")
        job.state = State.PRIORITY
        self._reprioritise(job, event.priority)

    def _dependency_met(self, event: ev.DependencyMet) -> None:
        job = self._job(event.jobid)
        if event.description not in job.dependencies:
            raise EngineError(f"job {event.jobid} does not wait for {event.description!r}")
        job.dependencies.discard(event.description)
        if self._logging:
            self._log(job, "dependency-remove", {"description": event.description})
        if not job.dependencies and job.state == State.DEPEND:
            self._depended(job)

    def _set_limit(self, event: ev.SetLimit) -> None:
        job = self._job(event.jobid)
        if job.state == State.CLEANUP:
            raise EngineError(f"job {event.jobid} is ending: its limit cannot change")
        request = job.request.with_duration(event.limit)
        if job.state == State.RUN:
            ends = job.started + (event.limit or math.inf)
            if ends > job.ends:
                self._replan()
            elif ends < job.ends:
                self.freed = True
            self.pool.update_expiration(job.jobid, 0.0 if ends == math.inf else ends)
            job.ends = ends
            job.request = request
            if self._logging:
                self._log(job, "resource-update", {"expiration": 0.0 if ends == math.inf else ends})
        else:
            kept = self._shorten(job, request)
            if not kept:
                self._leave(job, for_good=False)
                job.request = request
            self._move(job, "jobspec-update", {"attributes.system.duration": event.limit} if self._logging else None)
            if job.state == State.PRIORITY:
                if kept:
                    self._move(job, "priority", {"priority": job.priority} if self._logging else None)
                else:
                    self._prioritise(job, job.priority)
        self._wake()

    def _shorten(self, job: Job, request: Any) -> bool:
        """Keep the promise to a job whose limit becomes no longer; False where there is none to keep."""
        longest = job.request.duration or math.inf
        if job.reserved is None or (request.duration or math.inf) > longest:
            return False
        try:
            self.pool.reserve(job.jobid, request, job.reserved)
        except InsufficientResources:
            return False
        job.request = request
        self.freed = True
        return True

    def _nodes_down(self, event: ev.NodesDown) -> None:
        self._replan()
        self.pool.mark_down(event.ranks)
        self._count_down()
        if event.kill:
            lost = set(self._parse_ranks(event.ranks))
            for job in list(self.running.values()):
                hit = sorted(lost.intersection(job.R.ranks))
                if hit and job.state == State.RUN:
                    self._raise(job, "exec", f"lost contact with rank {','.join(map(str, hit))}")
        self._wake()

    def _nodes_up(self, event: ev.NodesUp) -> None:
        self.pool.mark_up(event.ranks)
        self._count_down()
        self.freed = True
        for job in list(self.parked.values()):
            self._unpark(job)
        self._wake()

    def _pass(self, event: ev.Pass) -> None:
        freed, self.freed = self.freed, False
        if self._run_policies(event.time, freed=freed):
            # Somebody is overdue: a job, or the driver. The promises behind counted on it, so all are made anew, in order.
            self._replan()
            self._wake()
            self._run_policies(event.time, freed=False)

    def _run_policies(self, now: float, *, freed: bool) -> bool:
        """A pass for each queue that wants one; whether some job should have started by its promise and has not.

        What a queue gives up, the queues before it get to see in a second round.
        """
        late = False
        for _ in range(2):
            given_up = 0
            for number, state in enumerate(self._states):
                if state.wanted or (state.dues and state.next_due() <= now):
                    state.wanted = False
                    if state.pending.size:
                        gain = self.gain
                        run = self._run_policy(state, now, freed=freed)
                        late |= run.late()
                        if number and (run.honoured or self.gain != gain):
                            given_up = number
            if not given_up:
                break
            self.gain += 1
            for state in self._states[:given_up]:
                state.wanted = True
        return late

    def _run_policy(self, state: QueueState, now: float, *, freed: bool) -> Pass:
        self.passes += 1
        run = Pass(self, state, now, freed=freed)
        if self._begin_pass is not None:
            self._begin_pass(state.name, now)
        for _ in state.policy.schedule(run):
            pass
        state.pending.overtakers.clear()
        if state.dues and state.dues[0][0] <= now:
            for job in state.pop_due(now):  # a policy that does not ask for these has taken them back
                self.release(job)
        if self._end_pass is not None:
            self._end_pass(state.name, now, run.started, run.reserved)
        return run

    # Steps.

    def _log(self, job: Job, name: str, context: dict[str, Any] | None = None) -> None:
        self._actions.log.append(ev.LogEntry(self.clock.time, job.jobid, name, context))

    def _move(self, job: Job, name: str, context: dict[str, Any] | None = None) -> None:
        job.state = next_state(job.jobid, job.state, name)
        if self._logging:
            self._actions.log.append(ev.LogEntry(self.clock.time, job.jobid, name, context))

    def _job(self, jobid: int) -> Job:
        job = self.jobs.get(jobid)
        if job is None:
            raise EngineError(f"no active job {jobid}")
        return job

    def _infeasible(self, job: Job) -> str | None:
        """Why no state of this machine can serve the shape; None if one can. Cached by shape."""
        shape = job.request.shape
        if shape not in self._feasible:
            reason = None
            try:
                self.pool.check_feasibility(job.request)
            except InfeasibleRequest as refusal:
                reason = refusal.reason
            self._feasible[shape] = reason
        return self._feasible[shape]

    def _depended(self, job: Job) -> None:
        self._move(job, "depend")
        self._prioritise(job, self._priority(job))

    def _prioritise(self, job: Job, priority: int) -> None:
        job.priority = priority
        self._move(job, "priority", {"priority": priority} if self._logging else None)
        self._enter(job)

    def _reprioritise(self, job: Job, priority: int) -> None:
        """Set the priority of a waiting job anew; where that does not move it, it keeps its place and its promise."""
        eligible = job.key is not None or job.parked
        if priority == job.priority and eligible == (job.urgency != HOLD):
            self._move(job, "priority", {"priority": priority} if self._logging else None)
        else:
            self._leave(job, for_good=priority < job.priority or job.urgency == HOLD)
            self._prioritise(job, priority)

    def _enter(self, job: Job) -> None:
        """Make a job eligible, unless it is held."""
        if job.urgency != HOLD:
            state = self.queues[job.queue]
            state.pending.add(job, (-job.priority, job.submitted, job.sequence))
            state.wanted = True

    def _leave(self, job: Job, *, for_good: bool = True) -> None:
        """Take a job out of the pending queue, with its promise; nothing happens to one that is not in it.

        Where it is back at once, `for_good` is false: its promise is not offered to others before it gets a new one.
        """
        if job.parked:
            self._take_from_parked(job)
        if job.key is None:
            return
        state = self.queues[job.queue]
        if job.reserved is not None:
            self.pool.unreserve(job.jobid)
            self.freed = self.freed or for_good
        state.pending.remove(job)
        job.refused = -1
        self._wake()

    def _raise(self, job: Job, kind: str, note: str) -> None:
        """A fatal exception: a pending job is over, a running one is to be stopped."""
        if not job.exception:
            job.exception = kind
        if self._logging:
            self._log(job, "exception", {"type": kind, "severity": 0, "note": note})
        self._leave(job)
        job.state = next_state(job.jobid, job.state, FATAL)
        if job.jobid in self.running:
            self._actions.stop.append(ev.Stop(job.jobid, kind))
        else:
            job.note = note
            del self.jobs[job.jobid]
            self._move(job, "clean")
            self._actions.stop.append(ev.Stop(job.jobid, kind))

    def _unpark(self, job: Job) -> None:
        self._take_from_parked(job)
        self._enter(job)

    def _take_from_parked(self, job: Job) -> None:
        job.parked = False
        job.refused = -1
        del self.parked[job.jobid]

    def _count_down(self) -> None:
        self.down = len(self.pool.copy_down().ranks)
        self._empty = None
        self._crippled.clear()

    def _replan(self) -> None:
        """Take back every promise: the next pass gives new ones, in queue order."""
        for state in self.queues.values():
            for jobid in list(state.pending.reserved):
                self.release(self.jobs[jobid])

    def _wake(self) -> None:
        self.gain += 1
        for state in self.queues.values():
            state.wanted = True

    @staticmethod
    def _parse_ranks(ranks: str) -> Iterator[int]:
        from fluxplug.values.idset import IDset  # noqa: PLC0415 - failures alone need it

        return iter(IDset(ranks))

    # Looking at it.

    def snapshot(self) -> dict[str, Any]:
        """The state as plain values: equal for engines that have handled the same events."""
        return {
            "time": self.clock.time,
            "jobs": {
                job.jobid: [
                    job.state.name, job.queue, job.priority, job.submitted, job.reserved, job.parked, job.started, job.ends
                ]
                for job in sorted(self.jobs.values(), key=lambda job: job.jobid)
            },
            "held": {job.jobid: job.R.dumps() for job in sorted(self.running.values(), key=lambda job: job.jobid)},
        }  # fmt: skip

    def check(self) -> None:
        """Recompute what is derived and raise AssertionError where it differs."""
        self.pool.check()
        pending = set()
        promised = {}
        for state in self.queues.values():
            state.pending.check()
            for job in state.pending:
                assert (job.state, job.queue, job.parked) == (State.SCHED, state.name, False), job
                pending.add(job.jobid)
                if job.reserved is not None:
                    promised[job.jobid] = job.reserved
        assert promised == dict(self.pool.reservations()), (promised, self.pool.reservations())
        assert set(self.running) == {j.jobid for j in self.jobs.values() if j.state in (State.RUN, State.CLEANUP)}
        assert set(self.running) == {jobid for jobid, _ in self.pool.job_end_times()}
        assert set(self.parked) == {j.jobid for j in self.jobs.values() if j.parked}
        assert pending.isdisjoint(self.parked)
        for job in self.jobs.values():
            if job.state == State.SCHED:
                assert (job.key is not None) == (job.urgency != HOLD and not job.parked), job
