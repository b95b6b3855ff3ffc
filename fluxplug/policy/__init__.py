"""The contract of a queue policy: which pending job goes next, and who may overtake.

A policy is a class with `name` (the word in sched.toml), optionally `Config` (a frozen attrs class: its keys under `policy-params`), and
`schedule`. It sees nothing but the pass it is given, so that it can be tested with a fake of a few lines; docs/write-a-policy.md
builds one from an empty folder.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from fluxplug.engine.job import Job


class SchedulingPass(Protocol):
    """What a policy sees: one run over the pending jobs of one queue, at one instant.

    `pending`, `unreserved` and `startable` are in queue order (priority, submit time, id), leave out what is held, parked or beyond
    the queue's depth, and tolerate that jobs leave while they run.
    """

    now: float
    queue: str
    freed: bool
    """Something was freed before its planned end, or came back: reservations may be renewed."""

    @property
    def pending(self) -> Iterator[Job]:
        """Every eligible job. O(jobs): a policy that can do with less scales better."""

    @property
    def unreserved(self) -> Iterator[Job]:
        """Eligible jobs without a reservation, but for those that are known to have no start in sight."""

    @property
    def startable(self) -> Iterator[Job]:
        """Jobs without a reservation that could start now without breaking a promise, as far as is known. `start` has the last word.

        Cheap: costs a look at each request shape that something changed for, not at each job.
        """

    @property
    def due(self) -> list[Job]:
        """Jobs whose reservation is now, in queue order."""

    @property
    def reservations(self) -> int:
        """How many jobs of the queue have a reservation."""

    def hopeless(self, job: Job) -> bool:
        """Whether a job is behind every reservation of the queue, and it is known that it cannot start now. O(1)."""

    def start(self, job: Job) -> bool:
        """Start the job now if that breaks no promise to another. False (with the reason kept) if not."""

    def reserve(self, job: Job) -> float | None:
        """Promise the job its earliest start, and return that time.

        None if no start is in sight: while nodes that it needs are down (it is then parked until one comes back), or because of jobs
        without a time limit (it is then tried again when something is freed).
        """

    def release(self, job: Job) -> None:
        """Take back the job's reservation."""

    def renew(self) -> None:
        """One round of renewal: each reservation of the queue, in order, moves earlier or stays."""

    def yield_to_overtakers(self, *, strict: bool) -> None:
        """Take back the reservations that jobs without one have precedence over, after an arrival out of order.

        `strict`: only a job of higher priority has precedence; otherwise any job ahead in the queue.
        """

    def deny(self, job: Job, note: str) -> None:
        """Refuse the job for good: it gets a fatal exception of type `alloc` with this note."""

    def skip(self, job: Job, reason: str) -> None:
        """Leave the job where it is, and keep the reason for `explain`."""


class QueuePolicy(ABC):
    """Base of all queue policies.

    `overtakes` tells whether a job may start before one ahead of it, for start estimates and reasons.
    """

    name: ClassVar[str] = ""
    Config: ClassVar[type | None] = None
    overtakes: ClassVar[bool] = True

    def __init__(self, config: Any = None) -> None:
        self.config = config

    def heeds(self, pass_: SchedulingPass, job: Job) -> bool:
        """Whether a job that has just become eligible calls for a pass; False where one could do nothing.

        A saving, for policies of queues that have no room left: nothing but `reservations` and `hopeless` may be asked of `pass_`.
        """
        del pass_, job
        return True

    @abstractmethod
    def schedule(self, pass_: SchedulingPass) -> Iterable[None]:
        """Run one pass: a generator, whose yields let a live driver attend to other things."""
