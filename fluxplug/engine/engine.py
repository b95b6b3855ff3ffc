"""The core loop's middle: events in, actions out. No I/O, no clock, no randomness.

    actions = engine.handle(event)

A driver hands over every event of an instant and then `Pass`; the engine moves jobs through the life cycle (`states`), keeps the
pending queues, and lets each queue's policy run when something happened that could matter to it. Handling the same events again,
from an engine in the same state, gives the same actions: crash recovery is replay.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from fluxplug.clock import ManualClock
from fluxplug.engine import events as ev
from fluxplug.engine.job import Job
from fluxplug.engine.moves import EngineError, Moves
from fluxplug.engine.passes import Pass
from fluxplug.engine.queuestate import QueueState
from fluxplug.engine.states import InvalidTransitionError, State, last_state
from fluxplug.errors import InsufficientResources

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Mapping

    from fluxplug.policy import QueuePolicy
    from fluxplug.resource.pool import ResourcePoolImplementation

EXPEDITE, PRIORITY_MAX = 31, 2**32 - 1

ADMITTED = last_state(State.NEW, "validate", "depend", "priority")
OVER = last_state(State.RUN, "finish", "clean")
"""Where the usual sequences lead, for engines that keep no log."""


def by_urgency(job: Job) -> int:
    """The built-in priority: the urgency; held jobs have 0, expedited ones the maximum."""
    return PRIORITY_MAX if job.urgency == EXPEDITE else job.urgency


class Engine(Moves):
    """Pending queues, running jobs and one pool, driven by events.

    `queues` maps a name to (policy, queue depth or None), in the order in which their passes run. `priority` computes a job's
    priority, `dependencies` what it must wait for beside what it was submitted with; `begin_pass` and `end_pass` are called around each
    pass. With `log=False` no event logs are made. `told`: the driver tells with `Running` when a job's tasks run; else they do once it has its
    resources.
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
        told: bool = False,
    ) -> None:
        self.pool = pool
        self.clock = clock if clock is not None else ManualClock()
        self.queues = {name: QueueState(name, policy, depth) for name, (policy, depth) in queues.items()}
        self._states = tuple(self.queues.values())
        for state in self._states:
            state.run = Pass(self, state)
        self.jobs: dict[int, Job] = {}
        self.running: dict[int, Job] = {}
        self.parked: dict[int, Job] = {}
        self.kept: dict[int, Any] = {}
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
        self._told = told
        self._stepping = False
        self._actions = ev.Actions()
        self._handlers: dict[type, Callable[[Any], None]] = {
            ev.Submit: self._submit,
            ev.Ended: self._ended,
            ev.EndedKeeping: self._ended,
            ev.Pass: self._pass,
            ev.Cancel: self._cancel,
            ev.SetUrgency: self._set_urgency,
            ev.SetPriority: self._set_priority,
            ev.DependencyMet: self._dependency_met,
            ev.SetLimit: self._set_limit,
            ev.SetQueue: self._set_queue,
            ev.NodesDown: self._nodes_down,
            ev.NodesUp: self._nodes_up,
            ev.Running: self._is_running,
            ev.Released: self._released,
            ev.Vacated: self._vacated,
            ev.Adopt: self._adopt,
            ev.StopQueue: self._stop_queue,
            ev.StartQueue: self._start_queue,
            ev.Suspend: self._suspend,
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
        if time < before or self._stepping:
            why = "in the middle of a pass" if self._stepping else f"time went backwards from {before}"
            raise EngineError(f"{type(event).__name__} at {time}: {why}")
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

    def steps(self, event: ev.Pass) -> Generator[None, None, ev.Actions]:
        """As `handle`, in steps as fine as the policies yield, for a driver that attends to other things in between.

        No event may be handled before the last step.
        """
        if self._stepping or event.time < self.clock.time:
            raise EngineError(
                f"Pass at {event.time}: another is under way, or time went backwards from {self.clock.time}"
            )
        self.clock.time = event.time
        self._stepping = True
        try:
            yield from self._pass_steps(event)
        finally:
            self._stepping = False
            actions, self._actions = self._actions, ev.Actions()
        return actions

    def replay(self, events: Iterable[ev.Event]) -> None:
        """Bring a new engine to where the events lead; their actions have been carried out before."""
        for event in events:
            self.handle(event)

    @property
    def passing(self) -> bool:
        """Whether a pass in steps is under way."""
        return self._stepping

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
        return any((state.wanted and not state.stopped) or state.next_due() <= now for state in self._states)

    # Events.

    def _submit(self, event: ev.Submit) -> None:
        time, jobid, request, queue, urgency, userid, dependencies, jobspec, flags, since = event
        if jobid in self.jobs:
            raise EngineError(f"job {jobid} was submitted before")
        name = queue or next(iter(self.queues))
        if name not in self.queues:
            raise EngineError(f"job {jobid}: no queue {name!r}; there are {', '.join(self.queues)}")
        self._sequence += 1
        job = Job(jobid, request, name, time if since is None else since, self._sequence, urgency, userid)
        job.jobspec = jobspec
        self.jobs[jobid] = job
        if dependencies:
            job.dependencies.update(dependencies)
        if self._dependencies is not None:
            job.dependencies.update(self._dependencies(job))
        if not (self._logging or job.dependencies) and self._infeasible(job.request) is None:
            job.state = ADMITTED
            job.priority = self._priority(job)
            self._enter(job)
            return
        if self._logging:
            context = {"urgency": urgency, "userid": userid, "flags": flags, "version": 1}
            self._log(job, "submit", context)
            for description in sorted(job.dependencies):
                self._log(job, "dependency-add", {"description": description})
        self._move(job, "validate")
        if not job.dependencies:
            self._depended(job)
        elif (reason := self._infeasible(job.request)) is not None:  # it need not wait to hear that it never fits
            self._raise(job, "alloc", reason)

    def _ended(self, event: ev.Ended | ev.EndedKeeping) -> None:
        time, jobid, status = event[:3]
        job = self.running.pop(jobid, None)
        if job is None:
            raise EngineError(f"job {jobid} ended, but it was not running")
        del self.jobs[jobid]
        if type(event) is ev.EndedKeeping:
            self.kept[jobid] = job.R.copy()
            self.pool.update_expiration(jobid, event.until)
        else:
            self.pool.free(jobid, final=True)
        self.gain += 1
        if job.ends != time:
            self.freed = True
        for state in self._states:
            state.wanted = True
        if not self._logging:
            job.state = OVER
            return
        if job.state == State.RUN:
            self._move(job, "finish", {"status": status})
        else:
            self._log(job, "finish", {"status": status})
        self._log(job, "release", {"ranks": "all", "final": True})
        self._log(job, "free")
        self._move(job, "clean")

    def _is_running(self, event: ev.Running) -> None:
        job = self.running.get(event.jobid)
        if job is None:
            raise EngineError(f"job {event.jobid} has no resources to run on")
        if self._logging:
            self._log(job, "start")

    def _released(self, event: ev.Released) -> None:
        job = self.running.get(event.jobid)
        if job is None:
            raise EngineError(f"job {event.jobid} holds no resources")
        ranks = set(self._parse_ranks(event.ranks))
        if not ranks or ranks.issuperset(job.R.ranks) or not ranks.issubset(job.R.ranks):
            raise EngineError(f"job {event.jobid} can give back some of its ranks {job.R.ranks}, not {event.ranks!r}")
        part = job.R.copy()
        part.remove_ranks(sorted(set(job.R.ranks) - ranks))
        self.pool.free(job.jobid, part)
        job.R = job.R.copy()
        job.R.remove_ranks(sorted(ranks))
        self.freed = True
        self._wake()
        if self._logging:
            self._log(job, "release", {"ranks": event.ranks, "final": False})

    def _vacated(self, event: ev.Vacated) -> None:
        kept = self.kept.get(event.jobid)
        ranks = set(self._parse_ranks(event.ranks))
        if kept is None or not ranks or not ranks.issubset(kept.ranks):
            raise EngineError(f"nothing is kept of job {event.jobid} on ranks {event.ranks!r}")
        left = sorted(set(kept.ranks) - ranks)
        if left:
            part = kept.copy()
            part.remove_ranks(left)
            self.pool.free(event.jobid, part)
            kept.remove_ranks(sorted(ranks))
        else:
            self.pool.free(event.jobid, final=True)
            del self.kept[event.jobid]
        self.freed = True
        self._wake()

    def _adopt(self, event: ev.Adopt) -> None:
        if event.jobid in self.jobs or event.queue not in self.queues:
            raise EngineError(f"job {event.jobid} is known already, or there is no queue {event.queue!r}")
        self.pool.register_alloc(event.jobid, event.R)
        self.pool.update_expiration(event.jobid, 0.0 if event.ends == math.inf else event.ends)
        self._sequence += 1
        job = Job(event.jobid, event.request, event.queue, event.submitted, self._sequence, event.urgency, event.userid)
        job.priority, job.state = event.priority, State.CLEANUP if event.exception else State.RUN
        job.R, job.started, job.ends, job.exception = event.R, event.started, event.ends, event.exception
        self.jobs[job.jobid] = self.running[job.jobid] = job
        self._wake()

    def _stop_queue(self, event: ev.StopQueue) -> None:
        state = self._queue(event.queue)
        for jobid in list(state.pending.reserved):
            self.release(self.jobs[jobid])
        state.stopped = True
        self.freed = True
        self._wake()

    def _start_queue(self, event: ev.StartQueue) -> None:
        self._queue(event.queue).stopped = False
        self._wake()

    def _suspend(self, event: ev.Suspend) -> None:
        job = self._job(event.jobid)
        if job.state > State.SCHED:
            raise EngineError(f"job {event.jobid} has its resources: it cannot be suspended")
        if job.suspended == event.on:
            return
        job.suspended = event.on
        if job.state == State.SCHED:
            self._leave(job)
            self._enter(job)

    def _queue(self, name: str) -> QueueState:
        if name not in self.queues:
            raise EngineError(f"no queue {name!r}; there are {', '.join(self.queues)}")
        return self.queues[name]

    def _cancel(self, event: ev.Cancel) -> None:
        job = self._job(event.jobid)
        if job.state == State.CLEANUP:
            return
        self._raise(job, event.type, event.note, event.userid)

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

    def _set_queue(self, event: ev.SetQueue) -> None:
        job = self._job(event.jobid)
        if job.state > State.SCHED:
            raise EngineError(f"job {event.jobid} has its resources: its queue cannot change")
        self._queue(event.queue)
        reason = self._infeasible(event.request)
        if reason is not None:
            raise EngineError(reason)
        self._leave(job)
        self.queues[job.queue].forget(job)
        job.queue, job.request, job.jobspec = event.queue, event.request, event.jobspec
        self._move(job, "jobspec-update", event.updates if self._logging else None)
        if job.state == State.PRIORITY:
            self._prioritise(job, self._priority(job))
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
        for _ in self._pass_steps(event):
            pass

    def _pass_steps(self, event: ev.Pass) -> Iterator[None]:
        freed, self.freed = self.freed, False
        if (yield from self._run_policies(event.time, freed=freed)):
            # Somebody is overdue: a job, or the driver. The promises behind counted on it, so all are made anew, in order.
            self._replan()
            self._wake()
            yield from self._run_policies(event.time, freed=False)

    def _run_policies(self, now: float, *, freed: bool, again: bool = True) -> Generator[None, None, bool]:
        """A pass for each queue that wants one; whether some job should have started by its promise and has not.

        What a queue gives up, the queues before it get to see in a second round.
        """
        late = False
        giving: QueueState | None = None
        for state in self._states:
            if not (state.wanted or (state.dues and state.next_due() <= now)):
                continue
            state.wanted = False
            pending = state.pending
            if state.stopped or not pending.size:
                continue
            gain = self.gain
            self.passes += 1
            if self._begin_pass is not None:
                self._begin_pass(state.name, now)
            run = state.run
            run.begin(now, freed=freed)
            yield from state.policy.schedule(run)
            pending.overtakers.clear()
            if state.dues and state.dues[0][0] <= now:
                for job in state.pop_due(now):  # a policy that does not ask for these has taken them back
                    self.release(job)
            if self._end_pass is not None:
                self._end_pass(state.name, now, run.started, run.reserved)
            if run.told and run.late():
                late = True
            if run.honoured or self.gain != gain:
                giving = state
        if giving is not None and giving is not self._states[0]:
            self.gain += 1
            for state in self._states[: self._states.index(giving)]:
                state.wanted = True
            if again:
                late |= yield from self._run_policies(now, freed=freed, again=False)
        return late

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
        assert {*self.running, *self.kept} == {jobid for jobid, _ in self.pool.job_end_times()}
        assert set(self.parked) == {j.jobid for j in self.jobs.values() if j.parked}
        assert pending.isdisjoint(self.parked)
        for job in self.jobs.values():
            if job.state == State.SCHED:
                assert (job.key is not None) == (job.may_queue and not job.parked), job
