"""One instance: its parts put together, brought to where they were left, and taken down again. What `fluxplug start` and tests run.

Recovery reads the event log of each job that is not over: who runs is taken over with what it holds, who waits is submitted to the new engine anew, in
the order of ids, and gets the event `flux-restart`. The executor then says what has become of the running ones.
"""

from __future__ import annotations

import asyncio
import fcntl
import math
import os
import socket
import traceback
import uuid
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import msgspec

from fluxplug import __version__
from fluxplug import exec as ex
from fluxplug.build import build_engine, build_executor, build_pool, build_priorities
from fluxplug.clock import ManualClock, SteadyClock, SystemClock
from fluxplug.engine import events as ev
from fluxplug.errors import ConfigError, FluxplugError
from fluxplug.ingest import Site
from fluxplug.instance import record as rec
from fluxplug.instance.dependencies import Dependencies, DependencyError, resolve
from fluxplug.instance.driver import Driver
from fluxplug.instance.jobrequests import JobRequests
from fluxplug.instance.jobs import Intake, LiveJob, decode, encode, entry
from fluxplug.instance.queues import Queues
from fluxplug.instance.requests import Requests
from fluxplug.instance.resources import Resources
from fluxplug.instance.store import EVENTLOG, Batch, Store, StoreError
from fluxplug.instance.streams import Streams
from fluxplug.resource.rset import Rv1Set

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from fluxplug.clock import Clock
    from fluxplug.config import Config
    from fluxplug.plugins import Plugins

PURGE_INTERVAL = 2.0
TRIM_INTERVAL = 3600.0
TOKEN_AGE = 30 * 86400.0
"""Seconds after which the token of a source that has no part in an active job is forgotten: an agent that is away for so long, and then tells
something a second time, tells of jobs that are over, to which nothing happens any more."""
_NONSENSE = (msgspec.DecodeError, KeyError, IndexError, TypeError)
"""What comes of rows that no version of ours has written."""


class InstanceError(FluxplugError):
    """An instance that cannot be started; the text says why."""


def lock(statedir: Path) -> int:
    """Take a state directory for this process; returns the descriptor that holds it. Raises InstanceError where another server has it."""
    descriptor = os.open(statedir / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        owner = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
        os.close(descriptor)
        whom = f" (process {owner})" if owner else ""
        raise InstanceError(f"{statedir}: another server uses this state directory{whom}") from None
    with suppress(OSError):  # a full disk: nobody is told who has it
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return descriptor


class Instance:
    """The parts of one instance. `uri` is what clients are given; `attributes` are added to what it says of itself.

    Also the `ExecutorSite` of its executor.
    """

    def __init__(
        self,
        config: Config,
        plugins: Plugins,
        statedir: Path,
        *,
        uri: str,
        power: bool,
        clock: Clock | None = None,
        attributes: dict[str, Any] | None = None,
    ) -> None:
        """Build everything and recover. Raises ConfigError, PluginError, StoreError, InstanceError."""
        self.config, self.plugins, self.statedir, self.uri = config, plugins, statedir, uri
        self.attributes = attributes or {}
        self.power = power
        self.store = Store(statedir / "store.sqlite", power=power)
        self.clock = clock or SteadyClock(float(self.store.meta("last_time", 0.0)))
        self.started = self.clock.now()
        now = self.started
        self.durable: Mapping[str, int] = self.store.tokens()
        batch = Batch()
        if self.store.meta("epoch") is None:
            batch.meta.update(epoch=now - 1, instance=uuid.uuid4().hex)
            self.store.write(batch)
            batch = Batch()
        self.identity: str = self.store.meta("instance")
        engine_clock = ManualClock(now)
        pool = build_pool(config, plugins, engine_clock)
        whole = Rv1Set(pool.to_set().to_dict())
        self.resources = Resources(whole)
        priorities = build_priorities(config, plugins, pool, engine_clock)
        engine = build_engine(config, plugins, pool, engine_clock, priorities=priorities, told=True)
        queues = Queues(config.all_queues, config.policy.default_queue)
        self.intake = Intake(
            config,
            plugins,
            site=Site(config, plugins, "submit"),
            engine=engine,
            store=self.store,
            clock=self.clock,
            priorities=priorities,
            resources=self.resources,
            queues=queues,
            dependencies=Dependencies(),
            owner=os.getuid(),
            power=power,
        )
        self.streams = Streams()
        self.driver = Driver(self.intake, streams=self.streams, log=self.log)
        self.requests = Requests(self.driver)
        self.job_requests = JobRequests(self.driver)
        self.failed = ""
        self.on_failure: Callable[[str, bool], None] = lambda reason, leave: None  # noqa: ARG005
        self._tasks: list[asyncio.Task[None]] = []
        self._running: list[ex.Launch] = []
        self._again: list[LiveJob] = []
        self._recover(now)

    # Recovery.

    def _recover(self, now: float) -> None:
        driver, store = self.driver, self.store
        kept = store.meta("resources")
        if kept is not None:
            self.resources.restore(decode(kept))
        kept = store.meta("queues")
        if kept is not None:
            driver.queues.restore(decode(kept))
        for jobid in decode(store.meta("waitables", b"[]")):
            row = store.job(jobid)
            if row is not None and row[2] is not None:
                driver.waitables[jobid] = decode(row[2])
                driver.unwaited[jobid] = None
        kept = store.meta("priorities")
        if kept is not None:
            self.intake.priorities.plugin.restore(decode(kept))
        whole = str(self.resources.ranks)
        driver.ranks_changed(
            [
                ("restart", {"ranks": whole, "online": "", "nodelist": str(self.resources.whole.nodelist)}),
                ("resource-define", {"method": "configuration"}),
            ],
            now,
        )
        for name, queue in driver.queues.all.items():
            if queue.stopped is not None and queue.config.parent is None:
                driver.handle(ev.StopQueue(now, name))
        waiting: list[LiveJob] = []
        for jobid, jobspec, R, origin in store.active():  # noqa: N806 - the format's name
            try:
                live = self._revive(jobid, decode(jobspec), R, origin)
            except _NONSENSE as error:
                raise StoreError(
                    f"{store.path}: damaged: job {rec.f58(jobid)}: {type(error).__name__}: {error}"
                ) from None
            driver.jobs[jobid] = live
            if live.document is None:
                waiting.append(live)
            else:
                self._adopt(live, now)
        for live in waiting:
            self._resubmit(live, now)

    def _revive(self, jobid: int, jobspec: dict[str, Any], R: bytes | None, origin: str | None) -> LiveJob:  # noqa: N803
        """A job as its log leaves it."""
        record = rec.initial(jobid, jobspec)
        flags, logged = 0, set()
        for line in self.store.log(jobid, EVENTLOG).splitlines():
            event = decode(line)
            context = event.get("context") or {}
            if event["name"] == "submit":
                flags = context["flags"]
            elif event["name"] == "alloc" and R is not None:
                rec.allocated(record, decode(R))
            rec.apply(record, event["name"], event["timestamp"], context)
            logged.add(event["name"])
        named = jobspec["attributes"]["system"].get("queue", "")
        queue = self.driver.queues.all.get(named)
        engine_queue = named if queue is None else queue.config.engine_queue
        request = self.driver.engine.pool.parse_resource_request(jobspec)
        live = LiveJob(jobid, record, flags, request, engine_queue)
        live.logged = logged & {"submit", "validate", "depend", "priority"}
        if R is not None:
            live.document, live.origin = decode(R), origin
            live.ends = live.document["execution"]["expiration"] or math.inf
        else:
            wanted = jobspec["attributes"]["system"].get("dependencies")
            if wanted:
                self._redepend(live, wanted)
            else:
                live.news = self.driver.dependencies.add(jobid, record["userid"], record["name"], [], {})
        return live

    def _redepend(self, live: LiveJob, wanted: Any) -> None:
        """What a revived job still waits for; what it waits for and what is gone since is no more in its way."""
        record = live.record
        left = record.get("dependencies", [])
        try:
            dependencies = [
                one for one in resolve(wanted, rec.f58) if one.description in left or "validate" not in live.logged
            ]
        except DependencyError:
            dependencies = []
        targets = {}
        for one in dependencies:
            if one.target is not None:
                found = self.intake.record(one.target)
                targets[one.target] = {"state": rec.NEW} if found is None else found
        live.dependencies = tuple(one.description for one in dependencies)
        record.pop("dependencies", None)
        live.news = self.driver.dependencies.add(live.jobid, record["userid"], record["name"], dependencies, targets)

    def _adopt(self, live: LiveJob, now: float) -> None:
        record, document = live.record, live.document
        assert document is not None
        live.R = Rv1Set(document, keep_scheduling=True)
        fatal = record["state"] == rec.CLEANUP
        try:
            self.driver.handle(
                ev.Adopt(
                    now, live.jobid, live.request, live.R, record["t_run"], max(live.ends, now), live.queue, record["t_submit"],
                    record["urgency"], record["userid"], record["priority"], record.get("exception_type", "") if fatal else "",
                )
            )  # fmt: skip
        except ValueError as error:
            raise InstanceError(
                f"job {rec.f58(live.jobid)} runs on resources that this configuration does not have: {error}; "
                "start with the former configuration until it has ended"
            ) from None
        self.driver.dependencies.add(live.jobid, record["userid"], record["name"], [], {})
        self._running.append(
            ex.Launch(
                live.jobid, record["userid"], document, self.intake.jobspec(live), document["execution"]["expiration"],
                record["t_run"] if record.get("_started") else 0.0, live.origin,
            )
        )  # fmt: skip
        if fatal:
            self._again.append(live)

    def _resubmit(self, live: LiveJob, now: float) -> None:
        record, driver = live.record, self.driver
        queued = record["state"] in (rec.PRIORITY, rec.SCHED)
        if live.queue not in driver.engine.queues:
            raise InstanceError(
                f"job {rec.f58(live.jobid)} waits in queue {live.queue!r}, which this configuration does not have: "
                "add the queue, or cancel the job under the former configuration"
            )
        state = record["state"]
        if queued:
            driver.write(live, now, "flux-restart", None)
        event = live.submission(now)
        if "validate" in live.logged:
            live.logged.add("dependency-add")
        driver.handle(event)
        live.logged.discard("dependency-add")
        if queued and live.jobid in driver.jobs and record["state"] < rec.CLEANUP:
            driver.write(live, now, "priority", {"priority": driver.engine.jobs[live.jobid].priority})
        elif state == record["state"] and not live.dependencies and live.jobid in driver.engine.jobs:
            record["state"] = int(driver.engine.jobs[live.jobid].state)
        driver.suspend(live, now)
        for news in live.news:
            driver.deliver_news(news)

    # Serving.

    async def open(self) -> None:
        """Commit what recovery has found, start the executor, and tick."""
        await self.driver.tick()
        executor = build_executor(self.config, self.plugins, self)
        self.driver.executor = executor
        hosts = [ex.Host(rank, host) for rank, host in zip(self.resources.ranks, self._hosts(), strict=True)]
        loop = asyncio.get_running_loop()
        self._tasks.append(loop.create_task(self._serve()))
        await executor.open(hosts, self._running)
        for live in self._again:
            executor.stop(live.jobid, live.record.get("exception_type", "cancel"))
        self._running, self._again = [], []
        self._tasks.append(loop.create_task(self.driver.estimates.run(self.config.instance.estimate_interval)))
        self._tasks.append(loop.create_task(self._housekeep()))

    async def _serve(self) -> None:
        try:
            await self.driver.run()
        except Exception as error:  # noqa: BLE001 - a mistake of ours: what is stored is right, what is in memory may not be
            self.log("error", "".join(traceback.format_exception(error)))
            self.failed = f"a bug of fluxplug's ({type(error).__name__}: {error}): see {self.statedir / 'log'}"
            self.on_failure(self.failed, True)

    def _hosts(self) -> list[str]:
        names = list(self.resources.whole.nodelist)
        if len(names) != len(self.resources.ranks):
            raise ConfigError("the machine's R has no host name for each rank (nodelist)")
        return names

    async def _housekeep(self) -> None:
        """Forget old jobs, and tokens of agents that are gone, and keep what priorities need."""
        limits = self.config.instance
        plugin = self.intake.priorities.plugin
        trimmed = -math.inf
        while True:
            await asyncio.sleep(PURGE_INTERVAL)
            if limits.inactive_age_limit is not None or limits.inactive_num_limit is not None:
                with suppress(StoreError):  # a full disk: another time
                    await self.requests.purge(limits.inactive_age_limit, limits.inactive_num_limit, None, force=True)
            now = self.clock.now()
            if now - trimmed >= TRIM_INTERVAL:
                trimmed = now
                with suppress(StoreError):
                    await self.driver.call(lambda now: self.store.trim_tokens(now - TOKEN_AGE))
            kept = {"last_time": now}
            if self.intake.priorities.watches:
                kept["priorities"] = encode(plugin.state())  # type: ignore[assignment]
            await self.driver.call(lambda _, kept=kept: self.driver.batch.meta.update(kept))  # type: ignore[misc]

    async def close(self, *, leave: bool = False) -> None:
        """End: with `leave` tasks go on, for the next server on this state directory."""
        if self.driver.executor is not None:
            await self.driver.executor.close(leave=leave)
        for task in self._tasks[1:]:
            task.cancel()
        await asyncio.gather(*self._tasks[1:], return_exceptions=True)
        if self.failed:
            self.driver.batch = Batch()
        self.driver.batch.meta["last_time"] = self.clock.now()
        if self.intake.priorities.watches:
            self.driver.batch.meta["priorities"] = encode(self.intake.priorities.plugin.state())
        await self.driver.close()
        await asyncio.gather(*self._tasks[:1], return_exceptions=True)
        await self.streams.close()
        self.plugins.shutdown()
        self.store.close()

    # What the executor is offered.

    def deliver(self, reports: Sequence[ex.Report], key: str, seq: int) -> None:
        """As `ExecutorSite` says."""
        self.driver.deliver(reports, key, seq)

    def ranks_up(self, ranks: str) -> None:
        """As `ExecutorSite` says."""
        self.driver.soon(lambda now: self.driver.ranks_changed(self.resources.came(ranks), now))

    def ranks_down(self, ranks: str, reason: str) -> None:
        """As `ExecutorSite` says."""
        self.driver.soon(lambda now: self.driver.ranks_changed(self.resources.went(ranks, reason), now))

    def log(self, level: str, message: str) -> None:
        """Write a line to the instance's log file."""
        stamp = SystemClock().now()
        line = entry(stamp, level, {"message": message})
        # A full disk must not end what waits for room.
        with suppress(OSError), (self.statedir / "log").open("ab", buffering=0) as file:
            size = file.tell()
            if file.write(line) != len(line):
                file.truncate(size)

    def describe(self) -> dict[str, Any]:
        """What `GET /v1` says."""
        return {
            "name": "fluxplug",
            "version": __version__,
            "api": 1,
            "instance": self.identity,
            "uri": self.uri,
            "owner": os.getuid(),
            "pid": os.getpid(),
            "hostname": socket.gethostname(),
            "statedir": str(self.statedir),
            "started": self.started,
            "size": len(self.resources.ranks),
            "durability": "power" if self.power else "process",
            "executor": self.config.sched.executor,
            "jobid": None,
            "parent_uri": None,
            **self.attributes,
        }
