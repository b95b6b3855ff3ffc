"""What a configuration says, as frozen values: tables read from sched.toml (`load`), or built by a program.

Values only: files, lines and plugins' names are `load`'s business. Fields made with `option` are keys of the file; each class says which
table. Policy limits and the queue tables follow RFC 33.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import attrs
from attrs import field, frozen

from fluxplug.config.options import option

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from fluxplug.config.machine import ResourceConfig
    from fluxplug.plugins import Plugins


@frozen
class QueueParams:
    """`queue-params`: how much of a queue a pass looks at."""

    queue_depth: int | None = option(None, help="pending jobs that a pass considers; unset: all", min=1)
    max_queue_depth: int | None = option(None, help="a cap on queue-depth; unset: none", min=1)

    @property
    def depth(self) -> int | None:
        """The number of pending jobs that a pass considers: the smaller of the two; None for all."""
        return min((depth for depth in (self.queue_depth, self.max_queue_depth) if depth is not None), default=None)


@frozen
class JobSize:
    """`policy.limits.job-size.max` and `.min`: bounds on what a jobspec asks for. None: no bound (-1 in the file)."""

    nnodes: int | None = option(None, help="nodes; -1: no limit", min=-1)
    ncores: int | None = option(None, help="cores; -1: no limit", min=-1)
    ngpus: int | None = option(None, help="GPUs; -1: no limit", min=-1)


@frozen
class Limits:
    """`policy.limits`: what a job may ask for at most and at least."""

    duration: float = math.inf  # seconds
    largest: JobSize = JobSize()
    smallest: JobSize = JobSize()


@frozen
class Access:
    """`policy.access`: who may submit. Where either is given, nobody else may; None: not given, and an empty one admits nobody."""

    users: tuple[str, ...] | None = None
    groups: tuple[str, ...] | None = None

    def __bool__(self) -> bool:
        """Whether anybody is kept out."""
        return self.users is not None or self.groups is not None


@frozen
class JobPolicy:
    """`[policy]`, or what holds in one queue: its own keys over the global ones (RFC 33).

    `default_queue` is for jobs that name none; `default_duration` (seconds; None: unlimited) for jobs without a duration.
    `scheduler` is a table for schedulers of other systems: kept as it is.
    """

    default_queue: str | None = None
    default_duration: float | None = None
    limits: Limits = Limits()
    access: Access = Access()
    scheduler: Mapping[str, Any] | None = field(default=None, hash=False)


@frozen
class SchedConfig:
    """`[sched]`: the pool, and the policy of queues that choose none. `policy_params` is an instance of the policy's Config.

    `policy_params` None: the policy's defaults. `executor` and `priority` are names of plugins; nobody asks for them before a run needs one.
    """

    pool: str = "rv1"
    queue_policy: str = "easy"
    queue_params: QueueParams = QueueParams()
    policy_params: Any = None
    executor: str = "local"
    priority: str = "urgency"


@frozen
class InstanceConfig:
    """`[instance]`: how a live instance keeps, forgets and serves. A simulation looks at none of it."""

    durability: str | None = option(
        None,
        help="what a committed event survives: loss of power, or the death of the process; unset: by the kind of the state directory",
        choices=("power", "process"),
    )
    inactive_age_limit: float | None = option(
        None, help="jobs that ended so long ago are forgotten; unset: none is", unit="seconds", min=0
    )
    inactive_num_limit: int | None = option(None, help="so many ended jobs are kept, the latest; unset: all", min=0)
    max_body: int = option(64 * 2**20, help="the longest body of a request", unit="bytes", min=1024)
    max_rate: float | None = option(
        None, help="requests a second of one client connection; unset: any number", min=0.001
    )
    estimate_interval: float = option(
        1.0, help="time between two refreshes of the estimated starts", unit="seconds", min=0
    )
    pass_slice: float = option(
        0.005, help="how long a scheduling pass may take before requests are attended to", unit="seconds", min=0
    )
    housekeeping: tuple[str, ...] = option(
        (), help="a command with its arguments that runs on each node after a job, before the node serves others"
    )
    housekeeping_release_after: float | None = option(
        None,
        help="nodes whose housekeeping has ended so long after the job serve again, however long others take; unset: all at once",
        unit="seconds",
        min=0,
    )
    output_limit: int = option(
        2**30, help="standard output and error of one job that are kept; the rest is cut off", unit="bytes", min=0
    )


@frozen
class QueueConfig:
    """One queue: `[queues.NAME]` with everything that it inherits filled in. The anonymous queue has the empty name.

    `requires` (property names) and `hosts` (a hostlist, or "all") bind it to nodes; at most one is given. A virtual queue has a `parent`, the
    name of another queue: its jobs keep its name, and are scheduled among those of the parent, on its nodes.
    """

    name: str = ""
    queue_policy: str = "easy"
    queue_params: QueueParams = QueueParams()
    policy_params: Any = None
    requires: tuple[str, ...] = ()
    hosts: str | None = None
    policy: JobPolicy = JobPolicy()
    parent: str | None = None

    @property
    def engine_queue(self) -> str:
        """The name of the queue in which its jobs are scheduled: the parent's, or its own."""
        return self.name if self.parent is None else self.parent

    @property
    def properties(self) -> tuple[str, ...]:
        """The properties that a node must have to serve this queue: to be added to each job's constraint."""
        return self.requires if self.hosts is None else (f"+{self.engine_queue}",)


@frozen
class Config:
    """A whole configuration.

    `queues` are those of the file, in its order, which is their order of service: empty where it has none, and then there is one anonymous
    queue (see `all_queues`). `pools` has an instance of Config for each pool that has one and is selected or has a table in the file.
    `ingest` has, in the order of the file, the ingest plugins that are at work, each with an instance of its Config (None: it has none).
    `executors` and `priorities` are as `pools`, for those that the file names.
    `resource` is None where the machine is to come from elsewhere. `plugins` are those that the configuration chose.
    """

    sched: SchedConfig = SchedConfig()
    queues: tuple[QueueConfig, ...] = ()
    resource: ResourceConfig | None = None
    policy: JobPolicy = JobPolicy()
    pools: Mapping[str, Any] = field(factory=dict)
    source: Path | None = None
    plugins: Plugins | None = field(default=None, eq=False, repr=False)
    ingest: Mapping[str, Any] = field(factory=dict)
    executors: Mapping[str, Any] = field(factory=dict)
    priorities: Mapping[str, Any] = field(factory=dict)
    instance: InstanceConfig = InstanceConfig()

    @property
    def all_queues(self) -> tuple[QueueConfig, ...]:
        """The queues to run: those configured, or else the anonymous one."""
        if self.queues:
            return self.queues
        sched = self.sched
        return (QueueConfig("", sched.queue_policy, sched.queue_params, sched.policy_params, policy=self.policy),)

    @property
    def engine_queues(self) -> tuple[QueueConfig, ...]:
        """Those of `all_queues` that are scheduled by themselves: all but the virtual ones."""
        return tuple(queue for queue in self.all_queues if queue.parent is None)

    @property
    def pool_params(self) -> Any:
        """The Config instance of the selected pool; None: its defaults."""
        return self.pools.get(self.sched.pool)

    @property
    def executor_params(self) -> Any:
        """The Config instance of the selected executor; None: its defaults."""
        return self.executors.get(self.sched.executor)

    @property
    def priority_params(self) -> Any:
        """The Config instance of the selected priority plugin; None: its defaults."""
        return self.priorities.get(self.sched.priority)

    def with_policy(self, name: str) -> Config:
        """The same configuration with every queue under another policy, for comparisons.

        Where the policy of [sched] or of a queue has that name already its parameters are kept, else they are the policy's defaults.
        Does not ask whether there is such a policy: looking it up in `plugins.policies` does.
        """

        def changed(one: Any) -> Any:
            return one if one.queue_policy == name else attrs.evolve(one, queue_policy=name, policy_params=None)

        return attrs.evolve(self, sched=changed(self.sched), queues=tuple(map(changed, self.queues)))

    def machine(self) -> dict[str, Any] | None:
        """The R document (RFC 20) of `resource`, with the property `+NAME` on the nodes of each queue that names hosts.

        None without `resource`. Raises ConfigError for an R file that cannot be used, or a queue's host that the machine lacks.
        """
        if self.resource is None:
            return None
        bound = {queue.name: queue.hosts for queue in self.engine_queues if queue.hosts is not None}
        return self.resource.document(bound)
