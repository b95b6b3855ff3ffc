"""Why is a job not running, and when will it? For every pending job, not for the head alone.

Reasons are worked out when somebody asks, from the engine's state, so that passes do not pay for them. Start estimates are a plan to the end
of the queue on a copy of the pool: a generator, for a driver to step when it is idle.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from attrs import frozen

from fluxplug.engine.states import State

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fluxplug.engine.engine import Engine
    from fluxplug.engine.job import Job


@frozen
class Explanation:
    """One job's situation at `time`.

    `reason` is a word for programs (`running`, `resources`, `reservation`, `policy`, `depth`, `down`, `unlimited`, `held`,
    `dependency`, `stopped`, `pass`), `text` the same for people. `position` counts from 1 among the eligible jobs of the queue, 0 if it is not
    among them. `reserved` is the promised start, `estimate` the expected one; both None where there is none.
    """

    jobid: int
    time: float
    state: str
    queue: str
    reason: str
    text: str
    position: int = 0
    reserved: float | None = None
    estimate: float | None = None


def estimates(engine: Engine) -> Iterator[tuple[int, float | None]]:
    """(jobid, expected start) of every eligible pending job, in queue order; None where a start cannot be foreseen.

    A job with a reservation starts then; each other one gets the earliest start that the plan leaves when all ahead of it are planned.
    Planned on a copy as of the call: O(jobs times steps of the plan).
    """
    now = engine.now
    plan = engine.pool.copy_planned()
    promises = engine.pool.reservations()
    if min(promises.values(), default=now) < now:  # somebody is overdue, and the next pass is going to make all anew
        plan.drop_reservations()
        promises = {}
    for state in engine.queues.values():
        after = math.inf if state.stopped else now
        for job in list(state.pending):
            start = promises.get(job.jobid)
            if start is None and after < math.inf:
                start = plan.earliest_start(job.request, after)
                if start is not None:
                    plan.reserve(job.jobid, job.request, start)
            if not state.policy.overtakes:
                if start is not None:
                    after = max(after, start)
                elif not engine.needs_down(job.request):  # else the next pass sets it aside
                    after = math.inf
            yield job.jobid, start
    for jobid in list(engine.parked):
        yield jobid, None


def explain(engine: Engine, jobid: int) -> Explanation | None:
    """The situation of one active job, with its start estimate; None for a job that the engine does not hold."""
    job = engine.jobs.get(jobid)
    if job is None:
        return None
    position = 0
    if job.key is not None:
        position = 1 + next(i for i, other in enumerate(engine.queues[job.queue].pending) if other is job)
    estimate = None
    if job.state <= State.SCHED:
        promised = job.reserved is not None and job.reserved >= engine.now
        estimate = job.reserved if promised else dict(_until(engine, jobid)).get(jobid)
    return explain_with(engine, job, estimate, position)


def explain_with(engine: Engine, job: Job, estimate: float | None, position: int) -> Explanation:
    """The situation of a job whose start estimate and place in the queue are known already: for whole listings."""
    reason, text = _reason(engine, job, position)
    return Explanation(job.jobid, engine.now, job.state.name, job.queue, reason, text, position, job.reserved, estimate)


def _until(engine: Engine, jobid: int) -> Iterator[tuple[int, float | None]]:
    for known, start in estimates(engine):
        yield known, start
        if known == jobid:
            return


def _reason(engine: Engine, job: Job, position: int) -> tuple[str, str]:
    if job.state == State.RUN:
        return "running", f"running since {_time(job.started)}"
    if job.state == State.CLEANUP:
        return "running", f"being stopped after an exception ({job.exception})"
    if job.state == State.DEPEND:
        return "dependency", f"waits for {', '.join(sorted(job.dependencies))}"
    if (job.parked or job.key is not None) and engine.needs_down(job.request):
        return "down", f"needs nodes that are down ({engine.down} down); it does not hold others back"
    if job.key is None:
        return ("stopped", "its queue is stopped") if job.suspended else ("held", "held: its urgency is 0")
    return _waiting(engine, job, position)


def _waiting(engine: Engine, job: Job, position: int) -> tuple[str, str]:
    """Why an eligible job has not been started by the last pass."""
    state = engine.queues[job.queue]
    name = state.policy.name or type(state.policy).__name__
    head = next(iter(state.pending))
    if state.stopped:
        return "stopped", f"queue {state.name or 'of all jobs'} is stopped"
    if job.note:
        return "policy", job.note
    if not state.policy.overtakes and head is not job:
        return "policy", f"behind job {head.jobid}: under {name} nobody overtakes; {_shortage(engine, head)}"
    if state.depth is not None and position > state.depth:
        return "depth", f"{position - 1} jobs are ahead of it, and a pass looks at {state.depth} (queue-depth)"
    room = engine.pool.rooms([job.request])[0]
    if room < (job.limit or math.inf) and job.reserved is None and _out_of_sight(engine, job):
        others = "it does not hold others back" if state.policy.overtakes else "and everybody behind waits for it"
        return "unlimited", f"waits for jobs that have no time limit; {others}"
    if room < 0:
        return "resources", _shortage(engine, job)
    if room < (job.limit or math.inf) and job.reserved is None:
        until = engine.now + room
        holder = min(
            ((start, jobid) for jobid, start in engine.pool.reservations().items() if start >= until),
            default=None,
        )
        whom = f"the reservation of job {holder[1]} at {_time(holder[0])}" if holder else "a reservation"
        limit = f"its limit of {_time(job.limit)} s" if job.limit else "having no time limit, it"
        return "reservation", f"would delay {whom}: its resources are free for {_time(room)} s, and {limit} is longer"
    if job.reserved is not None:
        return "resources", _shortage(engine, job)
    if state.pending.refused(job, engine.gain) or engine.pool.earliest_start(job.request, engine.now) != engine.now:
        if engine.pool.copy().earliest_start(job.request, engine.now) == engine.now:
            return "reservation", "would delay a reservation"
        return "resources", _shortage(engine, job)
    return "pass", "could start: the next pass decides"


def _out_of_sight(engine: Engine, job: Job) -> bool:
    """Whether no start can be foreseen: the fact if a pass has found it, else a search."""
    if engine.queues[job.queue].pending.out_of_sight(job, engine.gain):
        return True
    return engine.pool.earliest_start(job.request, engine.now) is None


def _shortage(engine: Engine, job: Job) -> str:
    asks = getattr(job.request, "ncores", None)
    total, held, down = (
        part.count("core") for part in (engine.pool.to_set(), engine.pool.copy_allocated(), engine.pool.copy_down())
    )
    what = f"{_counted(asks, 'core')}" if asks else "resources"
    gone = f", {down} down" if down else ""
    promised = f"; promised from {_time(job.reserved)} on" if job.reserved is not None else ""
    return f"job {job.jobid} needs {what}, and of {total} {held} are held{gone}{promised}"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _time(seconds: float) -> str:
    return str(int(seconds)) if seconds == int(seconds) else f"{seconds:.3f}"
