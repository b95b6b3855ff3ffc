"""What clients ask of an instance beside jobs: changes of queues and resources, figures, purging.

Each method is one request of the HTTP API, with plain values in and out; those that change something are coroutines that return when the change is
durable. Raises RequestError (or another FluxplugError with an errno), and then nothing has changed.
"""

from __future__ import annotations

import errno
import math
from typing import TYPE_CHECKING, Any

from fluxplug.engine import events as ev
from fluxplug.instance import record as rec
from fluxplug.instance.driver import MAX_PURGE
from fluxplug.instance.errors import RequestError
from fluxplug.instance.jobs import encode
from fluxplug.instance.resources import held
from fluxplug.instance.store import INSTANCE
from fluxplug.values.idset import IDset

if TYPE_CHECKING:
    from fluxplug.instance.driver import Driver
    from fluxplug.resource.rset import Rv1Set


class Requests:
    """The requests of one instance's clients that are not about jobs."""

    def __init__(self, driver: Driver) -> None:
        self.driver = driver

    # Resources.

    def sets(self) -> dict[str, Rv1Set]:
        """The whole machine, by state: all, up, down, allocated, free."""
        whole = self.driver.resources.whole
        down = whole.copy_ranks(self.driver.resources.ranks.difference(self.driver.resources.schedulable()))
        allocated = held(live.document for live in self.driver.jobs.values() if live.document is not None)
        for kept in self.driver.engine.kept.values():
            allocated.append(kept.to_dict())
        up = whole.diff(down)
        return {"all": whole, "up": up, "down": down, "allocated": allocated, "free": up.diff(allocated)}

    def status(self) -> dict[str, Any]:
        """What administrators see of the ranks."""
        resources = self.driver.resources
        allocated = IDset()
        for live in self.driver.jobs.values():
            if live.document is not None:
                allocated.add(live.record["ranks"])
        offline = resources.ranks.difference(resources.online).union(resources.admin_down)
        return {
            "R": resources.whole.to_dict(),
            "online": str(resources.ranks.difference(offline)),
            "offline": str(offline),
            "offline_reasons": resources.absent_table(),
            "exclude": str(resources.excluded),
            "torpid": "",
            "housekeeping": str(self.driver.housekeeping.ranks),
            "allocated": str(allocated),
            "drain": resources.drain_table(),
        }

    async def set_ranks(self, what: str, targets: str, reason: str, overwrite: int, *, update: bool) -> None:
        """Drain or undrain ranks, or say that they are down or up again."""
        driver, resources = self.driver, self.driver.resources

        def change(now: float) -> None:
            ranks = resources.targets(targets)
            if what == "drain":
                entries = resources.drain(ranks, reason, now, overwrite=overwrite, update=update)
            elif what == "undrain":
                entries = resources.undrain(ranks, reason, update=update)
            elif what == "down":
                entries = resources.set_down(ranks, reason)
            else:
                entries = resources.set_up(ranks, reason)
            driver.ranks_changed(entries, now)

        await driver.call(change)

    # Queues.

    def queue_list(self) -> list[dict[str, Any]]:
        """All queues, in the order of the configuration."""
        sets = self.sets()
        waiting: dict[str, int] = {}
        running: dict[str, int] = {}
        for live in self.driver.jobs.values():
            table = waiting if live.document is None else running
            name = live.record.get("queue", "")
            table[name] = table.get(name, 0) + 1
        queues = self.driver.queues
        return [
            queues.describe(queue, sets, waiting.get(name, 0), running.get(name, 0))
            for name, queue in queues.all.items()
        ]

    async def set_queue(self, what: str, name: str | None, reason: str, *, everyone: bool) -> list[dict[str, Any]]:
        """Enable, disable, start or stop queues; returns them."""
        driver = self.driver

        def change(now: float) -> list[str]:
            chosen = driver.queues.chosen(name, everyone=everyone)
            for queue in chosen:
                if what == "enable":
                    queue.disabled = None
                elif what == "disable":
                    queue.disabled = reason
                else:
                    queue.stopped = reason if what == "stop" else None
                    if queue.config.parent is None:
                        event = ev.StopQueue if what == "stop" else ev.StartQueue
                        driver.handle(event(now, queue.config.name))
                    else:
                        for live in [
                            live for live in driver.jobs.values() if live.record.get("queue") == queue.config.name
                        ]:
                            driver.suspend(live, now)
            driver.batch.meta["queues"] = encode(driver.queues.kept())
            return [queue.config.name for queue in chosen]

        names = set(await driver.call(change))
        return [shown for shown in self.queue_list() if shown["name"] in names]

    # The instance.

    async def purge(
        self, age: float | None, number: int | None, ids: list[int] | None, *, force: bool
    ) -> dict[str, Any]:
        """Forget inactive jobs: those that ended longer ago than `age`, all but the latest `number`, or those named.

        Returns how many there were of these, how many are forgotten (all of them, with `force`), and how many inactive jobs there were in all.
        The core loop does a part at a time: what else is asked meanwhile does not wait for the whole. What ends meanwhile stays.
        """
        driver, store = self.driver, self.driver.store
        inactive = driver.counts.of()["inactive"]
        before = -math.inf if age is None else driver.now() - age
        if ids is not None:
            known = [
                jobid for jobid in dict.fromkeys(ids) if (row := store.job(jobid)) is not None and row[2] is not None
            ]
            matched = len(known)
        else:
            matched = 0 if age is None else store.count_ended_before(before)
            if number is not None:
                matched = max(matched, inactive - number)
        purged = 0
        # A sixteenth at a time: short waits where there is little, and no falling behind where thousands end each second.
        step = min(max(MAX_PURGE // 4, matched // 16), MAX_PURGE)

        def part(now: float) -> int:
            del now
            left = min(matched - purged, step)
            if ids is not None:
                return driver.purge(known[purged : purged + left])
            chosen = [] if age is None else store.oldest_ended(before, left)
            if number is not None:  # another purge may have been quicker
                more = min(driver.counts.of()["inactive"] - number, left)
                if more > len(chosen):
                    chosen = store.oldest_ended(math.inf, more)
            return driver.purge(chosen)

        while force and purged < matched:
            done = await driver.call(part)
            if not done:
                break
            purged += done
        return {"matched": matched, "purged": purged, "inactive": inactive}

    def stats(self, queue: str | None = None) -> dict[str, Any]:
        """Counts of jobs, of all or of one queue, and of what the instance has done. Linear in the active jobs. Raises RequestError (ENOENT)."""
        driver = self.driver
        if queue is not None and queue not in driver.queues.all and queue not in driver.counts:
            raise RequestError(errno.ENOENT, f"No such queue: {queue[:80]}")
        states = {"depend": 0, "priority": 0, "sched": 0, "run": 0, "cleanup": 0}
        words = {
            int(rec.DEPEND): "depend",
            rec.NEW: "depend",
            rec.PRIORITY: "priority",
            rec.SCHED: "sched",
            rec.RUN: "run",
        }
        active = 0
        for live in driver.jobs.values():
            if queue is None or live.record.get("queue", "") == queue:
                active += 1
                states[words.get(live.record["state"], "cleanup")] += 1
        ended = driver.counts.of(queue)
        return {
            "jobs": {**states, **ended, "total": ended["inactive"] + active},
            "passes": driver.engine.passes,
            "ticks": driver.ticks,
            "estimates": driver.estimates.rounds,
            "store": {"bytes": driver.store.size(), "entries": driver.store.seq},
        }

    def instance_log(self) -> bytes:
        """The resource event log."""
        return self.driver.store.log(INSTANCE, "resource.eventlog")
