"""The priority contract: what decides the order of the pending jobs, anew whenever it likes, and what it must remember.

A priority plugin is a class, picked by `[sched] priority`, with the keys of its `Config` in `[priority.NAME]`. `Priorities` puts it to work for an
engine: the hook `fluxplug_job_priority` goes first, held and expedited jobs are nobody's to judge, and what comes out is checked. Drivers
(the simulator, the instance) own a `Priorities`, tell it of starts and ends if it `watches`, and hand the events of `changes` to the engine every
`interval` seconds.

Not here: the order itself (`fluxplug.engine.queue`), and factors (`plugins/priority-multifactor`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

from attrs import define, frozen

from fluxplug.engine.engine import EXPEDITE, PRIORITY_MAX, by_urgency
from fluxplug.engine.events import SetPriority
from fluxplug.engine.moves import HOLD
from fluxplug.engine.states import State
from fluxplug.errors import DocumentError, PluginError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from fluxplug.clock import ManualClock
    from fluxplug.engine.job import Job


@frozen
class PrioritySite:
    """What a priority plugin is told of the machine: its size, and the queues by name, virtual ones too (a single one may have the empty name)."""

    cores: int = 0
    nodes: int = 0
    queues: tuple[str, ...] = ()


class PriorityPlugin(ABC):
    """Base of all priority plugins; `name` is the word in sched.toml, `Config` a frozen attrs class with the keys of `[priority.NAME]`.

    Deterministic: priorities follow from the configuration, the calls and their arguments, nothing else. All
    instants are seconds on one clock, that of the jobs' `submitted`. A `ConfigError` of `__init__` is for whoever wrote the configuration.
    """

    name: ClassVar[str] = ""
    Config: ClassVar[type[Any] | None] = None
    interval: float | None = None
    """Seconds after which the priorities of all pending jobs are computed anew; None: never. May be set by `__init__`."""

    def __init__(self, config: Any = None, site: PrioritySite | None = None) -> None:
        self.config = self.Config() if config is None and self.Config is not None else config
        self.site = PrioritySite() if site is None else site

    @abstractmethod
    def priority(self, job: Job, now: float) -> int:
        """The priority of a pending job, 0 to 4294967295; higher goes first.

        Called when the job becomes eligible, when its urgency or queue changes, and every `interval` seconds; not for held (urgency 0), expedited (31)
        jobs. Must not change the job. May remember that it was asked about somebody, in its state.
        """

    def factors(self, job: Job, now: float) -> dict[str, float]:  # noqa: ARG002 - for those who have some
        """What makes up the priority of a job, for people: terms by name, in an order that makes sense. Changes nothing."""
        return {}

    def started(self, job: Job, now: float) -> None:  # noqa: B027 - most count no usage
        """A job has got its resources, `job.R`. May come again after a `restore`: the same job starts once."""

    def ended(self, job: Job, now: float) -> None:  # noqa: B027
        """A job has left its resources. May come again after a `restore`, and then means nothing."""

    def state(self) -> dict[str, Any]:
        """What it remembers, as a JSON object; running jobs included. Linear in its size.

        After `restore` of it, another object of the same configuration gives the same priorities, whatever follows.
        """
        return {}

    def restore(self, document: Mapping[str, Any]) -> None:
        """Take over a `state`, instead of one's own. Raises DocumentError, and changes nothing, for what is none of this plugin's.

        The starts and ends since then are told again by the caller.
        """
        if document:
            raise DocumentError("", f"the state of a priority plugin: {self.name!r} keeps none")


class Urgency(PriorityPlugin):
    """The priority is the urgency that the user or an administrator gave the job: 16, where nobody said anything.

    Of equal priorities, who was submitted first goes first.
    """

    name = "urgency"

    def priority(self, job: Job, now: float) -> int:
        del now
        return by_urgency(job)


@define(eq=False)
class Priorities:
    """One plugin at work: called with a job, it gives the job's priority at the present instant of `clock`.

    `first` is asked before the plugin, and passes with None. `owner` is who to blame for a number that is none.
    """

    plugin: PriorityPlugin
    clock: ManualClock
    first: Callable[[Job], int | None] | None = None
    owner: str = "fluxplug"

    def __call__(self, job: Job) -> int:
        """Raises PluginError for an answer that is no priority."""
        if self.first is not None:
            chosen = self.first(job)
            if chosen is not None:
                return chosen
        if job.urgency in (HOLD, EXPEDITE):
            return by_urgency(job)
        found = self.plugin.priority(job, self.clock.time)
        if type(found) is not int or not 0 <= found <= PRIORITY_MAX:
            raise PluginError(
                f"priority plugin {self.plugin.name!r} of {self.owner}: priority returned {found!r:.60}; "
                f"it has to return an int from 0 to {PRIORITY_MAX}"
            )
        return found

    @property
    def function(self) -> Callable[[Job], int]:
        """What to give an engine: this, or `by_urgency` where it comes to the same."""
        return by_urgency if type(self.plugin) is Urgency and self.first is None else self

    @property
    def looks(self) -> bool:
        """Whether the plugin may look at anything of a job, its user and its jobspec too."""
        return type(self.plugin) is not Urgency

    @property
    def interval(self) -> float | None:
        """Seconds between two `changes`; None: priorities do not change by themselves."""
        return self.plugin.interval

    @property
    def watches(self) -> bool:
        """Whether the plugin is to be told of starts and ends."""
        kind = type(self.plugin)
        return kind.started is not PriorityPlugin.started or kind.ended is not PriorityPlugin.ended

    def changes(self, jobs: Iterable[Job], now: float) -> list[SetPriority]:
        """The events that bring the pending ones among `jobs` up to date at `now`, for the engine. Moves the clock; a call of the plugin a job."""
        self.clock.time = now
        waiting = [job for job in jobs if job.state == State.SCHED]
        found = [(job, self(job)) for job in waiting]
        return [SetPriority(now, job.jobid, priority) for job, priority in found if priority != job.priority]
