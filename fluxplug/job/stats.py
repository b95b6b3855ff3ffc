"""JobStats: how many jobs there are, by state and result, of an instance or of one of its queues."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fluxplug.future import Future

if TYPE_CHECKING:
    from collections.abc import Callable

    from fluxplug.handle import Flux


class JobStats:
    """Counts of jobs, as of the last update: 0 before.

    By state: `depend`, `priority`, `sched`, `run`, `cleanup`, `inactive`, and their sums `pending`, `running`, `active`, `total`. By result:
    `successful`, `failed`, and of the failed ones `canceled` and `timeout`: of all jobs that ever ended. `inactive_purged` of them were
    forgotten. With `queue` of this queue's jobs alone.
    """

    def __init__(self, flux_handle: Flux, queue: str | None = None) -> None:
        self.handle = flux_handle
        self.queue = queue
        self.depend = self.priority = self.sched = self.run = self.cleanup = self.inactive = self.total = 0
        self.successful = self.failed = self.canceled = self.timeout = self.inactive_purged = 0
        self.pending = self.running = self.active = 0

    def update(self, cb: Callable[..., Any] | None = None, **kwargs: Any) -> None:
        """Ask, without waiting: `Flux.reactor_run` takes the answer, and calls `cb(self, **kwargs)`."""

        def take(future: Future[dict[str, int]]) -> None:
            self._take(future.get())
            if cb is not None:
                cb(self, **kwargs)

        Future(self.handle, self._ask).then(take)

    def update_sync(self) -> JobStats:
        """Ask, and return itself. Raises FileNotFoundError for a queue that there is not."""
        self._take(self._ask())
        return self

    def _ask(self) -> dict[str, int]:
        found: dict[str, int] = self.handle.client.get("/v1/stats", queue=self.queue)["jobs"]
        return found

    def _take(self, found: dict[str, int]) -> None:
        for name in ("depend", "priority", "sched", "run", "cleanup", "inactive", "total", "successful", "canceled"):
            setattr(self, name, found[name])
        self.timeout, self.inactive_purged = found["timeout"], found["inactive_purged"]
        self.failed = found["failed"] + self.canceled + self.timeout
        self.pending = self.depend + self.priority + self.sched
        self.running = self.run + self.cleanup
        self.active = self.pending + self.running
