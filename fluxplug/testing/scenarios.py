"""A small simulation in a few lines, for tests: machine, jobs and what happens to them in; starts, ends and reasons out.

    s = scenario(nodes=4, policy="easy")
    s.job("a", width=3, limit=10)
    s.job("b", width=4, limit=5, at=1)
    s.run()
    assert s.starts == {"a": 0, "b": 10}

It is the real simulator over the real engine, with one addition: after every event the engine recomputes all its indexes, and the pool's, and
an AssertionError tells where one is wrong. For some hundred jobs, therefore, and not for logs.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from fluxplug.clock import ManualClock
from fluxplug.engine.engine import Engine, by_urgency
from fluxplug.engine.events import Pass
from fluxplug.engine.explain import explain
from fluxplug.errors import RefusedError
from fluxplug.policy import QueuePolicy
from fluxplug.resource.request import ResourceRequest
from fluxplug.sim.outages import Cancel, ChangeLimit, ChangePriority, Outage
from fluxplug.sim.schedule import Schedule
from fluxplug.sim.simulator import Simulator
from fluxplug.sim.trace import TraceJob
from fluxplug.testing import builders
from fluxplug.values.idset import IDset

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from fluxplug.engine.events import Actions, Event, LogEntry
    from fluxplug.engine.explain import Explanation
    from fluxplug.engine.job import Job
    from fluxplug.resource.pool import ResourcePoolImplementation
    from fluxplug.sim.outages import OutsideEvent

    PoolLike = str | Callable[..., ResourcePoolImplementation]
    PolicyLike = str | type[QueuePolicy] | QueuePolicy

CHART_COLUMNS = 60


class Step(NamedTuple):
    """One call of a scenario, to be made later: `Step("job", {"name": "a", "width": 3})`. Its text is the line to write in a test."""

    call: str
    arguments: dict[str, Any]

    def __repr__(self) -> str:
        return f"s.{self.call}({_arguments(self.arguments)})"


def _arguments(arguments: Mapping[str, Any]) -> str:
    first = [repr(arguments[key]) for key in ("name", "ranks") if key in arguments]
    rest = [f"{key}={value!r}" for key, value in arguments.items() if key not in {"name", "ranks"}]
    return ", ".join([*first, *rest])


class CheckedEngine(Engine):
    """An engine that calls its `check()` after every event, and remembers what happened.

    `history` has (event, actions); `promises`, for each job that ever had one, (time, promised start) for every change that a pass left
    behind.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.history: list[tuple[Event, Actions]] = []
        self.promises: dict[int, list[tuple[float, float]]] = {}

    def handle(self, event: Event) -> Actions:
        """Take one event. Raises EngineError as the engine does, AssertionError where something does not add up afterwards."""
        actions = super().handle(event)
        self.history.append((event, actions))
        self.check()
        if isinstance(event, Pass):
            for jobid, start in sorted(self.pool.reservations().items()):
                told = self.promises.setdefault(jobid, [])
                if not told or told[-1][1] != start:
                    told.append((event.time, start))
        return actions

    @property
    def events(self) -> list[Event]:
        """All events, in order."""
        return [event for event, _ in self.history]

    @property
    def log(self) -> list[LogEntry]:
        """All entries of all jobs' event logs, in order."""
        return [entry for _, actions in self.history for entry in actions.log]


class Scenario:
    """One small simulation. Made by `scenario`; jobs and events are added first, then it runs.

    Jobs have names; their ids are 1, 2, ... in the order of the calls, and so is their order where they are submitted at one time. What
    happens at one time happens in this order: ends, node and job events in the order of the calls, submissions, one pass.
    After `run`: `submits`, `starts`, `ends`, `outcomes`, `ranks`, `promises` and `explain`, by name; `engine`, `pool` and `schedule` as they
    are. `ids` has the ids by name, `reads` the requests by id as core reads them, `steps` the calls that were made.
    """

    def __init__(
        self,
        machine: Mapping[str, Any],
        policies: Mapping[str, QueuePolicy],
        make_pool: Callable[..., ResourcePoolImplementation],
        *,
        depth: int | None = None,
        told: str = "",
    ) -> None:
        self.machine = machine
        self.clock = ManualClock()
        self.pool = make_pool(machine, clock=self.clock)
        self.pool.mark_up("all")
        self.engine = CheckedEngine(
            self.pool,
            {name: (policy, depth) for name, policy in policies.items()},
            clock=self.clock,
            priority=self._priority,
        )
        self.ids: dict[str, int] = {}
        self.steps: list[Step] = []
        self.reads: dict[int, ResourceRequest] = {}
        self._told = told
        self._jobs: list[TraceJob] = []
        self._outside: list[OutsideEvent] = []
        self._priorities: dict[int, int] = {}
        self._simulator: Simulator | None = None
        whole = self.pool.to_set()
        self.schedule: Schedule = Schedule(
            "+".join(p.name for p in policies.values()), whole.count("core"), len(list(whole.ranks))
        )

    # What there is to do.

    def job(
        self,
        name: str,
        *,
        at: float = 0,
        limit: float = 0,
        run: float | None = None,
        priority: int | None = None,
        queue: str | None = None,
        jobspec: dict[str, Any] | None = None,
        **request: Any,
    ) -> None:
        """Submit a job at `at`. What it asks for is `jobspec`, or as in `fluxplug.testing.jobspec`: `width=3`, or `nodes=2, cores=4`...

        `limit` is its time limit (0: none), `run` how long it really runs (default: its limit; more than that ends in a timeout).
        `priority` is as set by an administrator. Raises ValueError for a name used before, a job that would run for ever, and
        after `run`.
        """
        arguments = {"name": name, **request}
        given = {"run": run, "priority": priority, "queue": queue, "jobspec": jobspec}
        arguments.update({key: value for key, value in given.items() if value is not None})
        arguments.update({key: value for key, value in {"at": at, "limit": limit}.items() if value})
        self._note("job", arguments)
        if name in self.ids:
            raise ValueError(f"there is a job {name!r} already")
        run = limit if run is None else run
        if run <= 0:
            raise ValueError(f"job {name!r} needs limit=, or run= greater than 0")
        spec = builders.jobspec(limit=limit, **request) if jobspec is None else jobspec
        jobid = self.ids[name] = len(self.ids) + 1
        if priority is not None:
            self._priorities[jobid] = priority
        killed = 0 < limit < run
        read = self.reads[jobid] = ResourceRequest.from_jobspec(spec)
        self._jobs.append(TraceJob(jobid, at, limit if killed else run, limit, read.ncores, None, spec, killed, queue))

    def down(self, ranks: str, *, at: float) -> None:
        """Nodes (idset text) fail, and the jobs on them with them."""
        self._change("down", Outage(at, False, IDset(ranks)), ranks=ranks, at=at)

    def up(self, ranks: str, *, at: float) -> None:
        """Nodes are back: after a failure or a drain."""
        self._change("up", Outage(at, True, IDset(ranks)), ranks=ranks, at=at)

    def drain(self, ranks: str, *, at: float) -> None:
        """Nodes take no new jobs; those that run go on."""
        self._change("drain", Outage(at, False, IDset(ranks), drain=True), ranks=ranks, at=at)

    def cancel(self, name: str, *, at: float) -> None:
        """A job is cancelled, pending or running; too late, it is ignored."""
        self._change("cancel", Cancel(at, self._id(name)), name=name, at=at)

    def limit(self, name: str, seconds: float, *, at: float) -> None:
        """The time limit of a job becomes `seconds` in all; 0 for none. How long it really runs stays."""
        self._change("limit", ChangeLimit(at, self._id(name), seconds), name=name, seconds=seconds, at=at)

    def priority(self, name: str, priority: int, *, at: float) -> None:
        """The priority of a pending job becomes `priority`; 16 is where jobs begin."""
        self._change("priority", ChangePriority(at, self._id(name), priority), name=name, priority=priority, at=at)

    def play(self, steps: Iterable[Step]) -> Scenario:
        """Make the calls that were written down, as `fluxplug.testing.strategies.workloads` does; returns the scenario."""
        for step in steps:
            getattr(self, step.call)(**step.arguments)
        return self

    def _id(self, name: str) -> int:
        if name not in self.ids:
            raise ValueError(f"there is no job {name!r}; there are: {', '.join(self.ids)}")
        return self.ids[name]

    def _change(self, call: str, event: OutsideEvent, **arguments: Any) -> None:
        self._note(call, arguments)
        self._outside.append(event)

    def _note(self, call: str, arguments: dict[str, Any]) -> None:
        if self._simulator is not None:
            raise ValueError("the scenario has begun: say all before run()")
        self.steps.append(Step(call, arguments))

    # What comes of it.

    def run(self, until: float = math.inf) -> Scenario:
        """Run to the end, or through the last instant that is not after `until`; may be called again to go on. Returns the scenario.

        Raises AssertionError where the engine's or the pool's books are wrong after an event.
        """
        if self._simulator is None:
            self._simulator = Simulator(
                self.engine,
                self,
                sorted(self._jobs, key=lambda job: job.submit),
                sorted(self._outside, key=lambda event: event.time),
                schedule=self.schedule,
                keep_ranks=True,
            )
        self._simulator.run(until)
        return self

    def next_instant(self) -> float:
        """When something happens next; infinite when all is over. Raises ValueError before `run`."""
        if self._simulator is None:
            raise ValueError("the scenario has not begun: call run(until=...) first")
        return self._simulator.next_instant()

    def admit(self, job: TraceJob) -> tuple[str, Any, int]:
        """The simulator's question about each job that is submitted. Raises RefusedError where the pool cannot read the jobspec."""
        assert isinstance(job.jobspec, dict)
        try:
            request = self.pool.parse_resource_request(job.jobspec)
        except (ValueError, KeyError) as error:
            raise RefusedError(str(error)) from None
        return job.queue or "", request.with_duration(job.limit), job.width

    def _priority(self, job: Job) -> int:
        return self._priorities.get(job.jobid, by_urgency(job))

    @property
    def names(self) -> dict[int, str]:
        """The names by job id."""
        return {jobid: name for name, jobid in self.ids.items()}

    @property
    def submits(self) -> dict[str, float]:
        """When each job was submitted, of those that were by now."""
        return self._times(self.schedule.submit)

    @property
    def starts(self) -> dict[str, float]:
        """When each job started, of those that did, in the order of their submission."""
        return self._times(self.schedule.start)

    @property
    def ends(self) -> dict[str, float]:
        """When each job ended, of those that ran."""
        return self._times(self.schedule.end)

    def _times(self, column: Sequence[float]) -> dict[str, float]:
        names = self.names
        return {names[job]: time for job, time in zip(self.schedule.job, column, strict=True) if not math.isnan(time)}

    @property
    def outcomes(self) -> dict[str, str]:
        """How each job ended: `completed`, `timeout`, `failed`, `cancelled`, `refused`; or `pending`, `running`."""
        names = self.names
        return {names[job]: outcome for job, outcome in zip(self.schedule.job, self.schedule.outcome, strict=True)}

    @property
    def ranks(self) -> dict[str, str]:
        """The ranks of each job that started."""
        names = self.names
        rows = zip(self.schedule.job, self.schedule.start, self.schedule.ranks, strict=True)
        return {names[job]: ranks for job, start, ranks in rows if not math.isnan(start)}

    @property
    def promises(self) -> dict[str, list[tuple[float, float]]]:
        """(time, promised start) for every change, of each job that ever had a reservation."""
        names = self.names
        return {names[jobid]: told for jobid, told in sorted(self.engine.promises.items())}

    def explain(self, name: str) -> Explanation | None:
        """Why a job is not running now, and when it will; None for one that is over, or not there yet."""
        return explain(self.engine, self._id(name))

    def source(self) -> str:
        """The scenario as the lines of a test."""
        return "\n".join([f"s = scenario({self._told})", *map(repr, self.steps), "s.run()"])

    def __str__(self) -> str:
        """A line a job: its name, its width in cores, and dots while it waits, hashes while it runs."""
        schedule, now = self.schedule, self.clock.time
        finite = [time for time in (*schedule.submit, *schedule.start, *schedule.end) if not math.isnan(time)]
        first, last = min(finite, default=0), max([*finite, now])
        scale = max((last - first) / CHART_COLUMNS, 1)
        names = self.names
        wide = max(map(len, self.ids), default=0)
        lines = [f"{schedule.policy}, {schedule.cores} cores, from {first:g} to {last:g}"]
        rows = zip(schedule.job, schedule.width, schedule.submit, schedule.start, schedule.end, strict=True)
        for job, width, submit, start, end in rows:
            begin, over = (now if math.isnan(time) else time for time in (start, end))
            at, until, to = (round((time - first) / scale) for time in (submit, begin, over))
            bar = " " * at + "." * (until - at) + "#" * (to - until)
            lines.append(f"{names[job]:{wide}} {width:3}  {bar}".rstrip())
        return "\n".join(lines)


def scenario(
    nodes: int = 1,
    cores: int = 1,
    gpus: int = 0,
    *,
    policy: PolicyLike = "fcfs",
    params: Mapping[str, Any] | None = None,
    queues: Mapping[str, PolicyLike] | None = None,
    depth: int | None = None,
    pool: PoolLike = "rv1",
    pool_options: Mapping[str, Any] | None = None,
    machine: Mapping[str, Any] | None = None,
) -> Scenario:
    """A scenario on `nodes` nodes of `cores` cores and `gpus` GPUs each, or on the R document `machine`.

    `policy` is an installed policy's name, a class or an object; `params` are the fields of its Config. `queues` maps names of queues to
    policies instead (a job names its own; the first is the default). `depth` bounds the pending jobs that a pass looks at. `pool` is an
    installed pool's name, or what makes one when called with (R, clock=clock, **pool_options): a class.

    Raises PluginError for a name that is not installed, TypeError for a parameter that a Config has not.
    """
    document = builders.R(nodes, cores, gpus) if machine is None else machine
    given = {"nodes": nodes, "cores": cores, "gpus": gpus} if machine is None else {"machine": machine}
    told = [f"{key}={value!r}" for key, value in given.items() if value]
    which: dict[str, Any] = {"policy": policy} if queues is None else {"queues": queues}
    if queues is not None and list(queues) == [""]:
        which = {"policy": queues[""]}
    for key, value in {**which, "params": params, "depth": depth, "pool": pool}.items():
        if value:
            told.append(f"{key}={_shown(value)}")
    policies = {"": policy} if queues is None else queues
    made = {name: make_policy(one, params) for name, one in policies.items()}

    def make(R: Any, *, clock: ManualClock) -> ResourcePoolImplementation:  # noqa: N803
        return find_pool(pool)(R, clock=clock, **(pool_options or {}))

    return Scenario(document, made, make, depth=depth, told=", ".join(told))


def make_policy(policy: PolicyLike, params: Mapping[str, Any] | None = None) -> QueuePolicy:
    """A policy object from an installed name, a class or an object, with the fields of its Config.

    Raises PluginError for a name that is not installed, TypeError for a parameter that the Config has not.
    """
    if isinstance(policy, QueuePolicy):
        return policy
    if isinstance(policy, str):
        from fluxplug.plugins import Plugins  # noqa: PLC0415 - names alone need it

        policy = Plugins.load().policies[policy].cls
        assert not isinstance(policy, str)
    if policy.Config is None:
        if params:
            raise TypeError(f"policy {policy.name!r} has no parameters")
        return policy()
    return policy(policy.Config(**(params or {})))


def find_pool(pool: PoolLike) -> Callable[..., ResourcePoolImplementation]:
    """A pool class from an installed name or a class. Raises PluginError for a name that is not installed."""
    if not isinstance(pool, str):
        return pool
    from fluxplug.plugins import Plugins  # noqa: PLC0415 - names alone need it

    found: Callable[..., ResourcePoolImplementation] = Plugins.load().pools[pool].cls
    return found


def _shown(value: Any) -> str:
    if isinstance(value, type):
        return value.__name__
    if isinstance(value, QueuePolicy):
        return f"{type(value).__name__}({'' if value.config is None else value.config})"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key!r}: {_shown(one)}" for key, one in value.items()) + "}"
    return repr(value)
