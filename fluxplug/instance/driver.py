"""The core loop of a live instance: what comes in goes to the engine, what comes of it is made durable, then carried out and told.

    submissions, requests, reports of the executor, timers
      -> engine.handle(event) -> log entries, starts, stops
      -> one transaction -> answers, launches, signals, acknowledgements, streams

A tick takes everything that has come in. A scheduling pass runs in slices; between two of them submissions are stored and answered, so that they
never wait for it, while everything else waits for its end. Nothing is answered, started or stopped before what led to it is durable; where the
store cannot be written, the batch is kept and tried again, and submissions are refused meanwhile.

All of it runs on one event loop's thread, but for commits that wait for a disk. Not here: HTTP (`app`), processes (`server`, executors).
"""

from __future__ import annotations

import asyncio
import errno
import math
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

from fluxplug import exec as ex
from fluxplug.clock import stopwatch
from fluxplug.engine import events as ev
from fluxplug.engine.moves import EngineError
from fluxplug.engine.states import InvalidTransitionError, State
from fluxplug.instance import record as rec
from fluxplug.instance.counts import META, Counts
from fluxplug.instance.errors import RequestError
from fluxplug.instance.estimates import Estimates
from fluxplug.instance.housekeeping import EXPECTED, Housekeeping
from fluxplug.instance.jobs import DEBUG, WAITABLE, Intake, LiveJob, encode, entry
from fluxplug.instance.store import EVENTLOG, INSTANCE, Batch, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fluxplug.clock import Clock
    from fluxplug.engine.engine import Engine
    from fluxplug.instance.dependencies import News
    from fluxplug.instance.store import Store
    from fluxplug.instance.streams import Streams

MAX_RETRY = 5.0
BRIEF = 0.001
"""Seconds of a commit, on average, below which it is not worth a thread of its own."""
MAX_PURGE = 1000
"""Jobs that are forgotten at a time: a tick waits for that, some tens of milliseconds."""


class Driver:
    """One engine, one store, one executor, and the jobs that are not over."""

    def __init__(self, intake: Intake, *, streams: Streams, log: Callable[[str, str], None]) -> None:
        self.intake = intake
        self.engine: Engine = intake.engine
        self.store: Store = intake.store
        self.clock: Clock = intake.clock
        self.jobs: dict[int, LiveJob] = intake.jobs
        self.resources = intake.resources
        self.queues = intake.queues
        self.dependencies = intake.dependencies
        self.priorities = intake.priorities
        self.streams = streams
        self.estimates = Estimates(self)
        self.executor: ex.Executor | None = None
        self.log = log
        self.ticks = 0
        self.counts = Counts(self.store)
        self.waitables: dict[int, dict[str, Any]] = {}
        self.unwaited: dict[int, None] = {}
        self.stuck: str | None = None
        config = intake.config.instance
        self.housekeeping = Housekeeping(self, config.housekeeping, config.housekeeping_release_after)
        self._slice = config.pass_slice
        self._inbox: deque[Callable[[float], None]] = deque()
        self._fresh: deque[LiveJob] = deque()
        self.batch = Batch()
        self._settling: list[tuple[asyncio.Future[Any], Any]] = []
        self._launches: list[ex.Launch] = []
        self._stops: list[ev.Stop] = []
        self._over: list[LiveJob] = []
        self._wake = asyncio.Event()
        self.rested = asyncio.Event()
        self.rested.set()
        self._next_changes = math.inf if self.priorities.interval is None else 0.0
        self._closing = False
        self._rests = asyncio.Event()
        self._rests.set()
        self._thread = ThreadPoolExecutor(1, "store") if intake.power else None
        self._write_time = BRIEF
        self._known_up = self.engine.pool.to_set().ranks

    # What comes in.

    def accept(self, jobspec: Any, urgency: int, flags: int, userid: int) -> int:
        """Take a job in and return its id, which may be told once `settled`. Raises RequestError for one that is refused."""
        if self.stuck is not None:
            raise RequestError(errno.ENOSPC, f"the store cannot be written: {self.stuck}")
        if self._closing:
            raise RequestError(errno.ESHUTDOWN, "the instance is shutting down")
        live = self.intake.take(jobspec, urgency, flags, userid, self.batch)
        self._fresh.append(live)
        self._wake.set()
        return live.jobid

    async def settled(self) -> None:
        """Wait until what has been taken in before is durable."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._settling.append((future, None))
        self._wake.set()
        await future

    async def call(self, function: Callable[[float], Any]) -> Any:
        """Run `function(now)` between two events of the engine, and return what it returns when that is durable. Raises what it raises."""
        if self._closing:
            raise RequestError(errno.ESHUTDOWN, "the instance is shutting down")
        done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

        def run(now: float) -> None:
            try:
                result = function(now)
            except Exception as error:  # noqa: BLE001 - it is the caller's
                if not done.done():
                    done.set_exception(error)
                return
            self._settling.append((done, result))

        self._inbox.append(run)
        self._wake.set()
        return await done

    def deliver(self, reports: Sequence[ex.Report], key: str, seq: int) -> None:
        """Take a batch of the executor's reports."""

        def run(now: float) -> None:
            for report in reports:
                self._report(report, now)
            if key:
                self.batch.tokens[key] = seq

        self._inbox.append(run)
        self._wake.set()

    def soon(self, function: Callable[[float], None]) -> None:
        """Run `function(now)` between two events of the engine."""
        self._inbox.append(function)
        self._wake.set()

    def deliver_news(self, news: News) -> None:
        """What has become of a dependency, for the next tick."""
        self._inbox.append(partial(self._news, news))

    def ranks_changed(self, entries: list[tuple[str, dict[str, Any]]], now: float) -> None:
        """Log what became of ranks, and tell the engine what it can use. Runs inside a tick."""
        for name, context in entries:
            self.batch.add(INSTANCE, "resource.eventlog", entry(now, name, context))
        if entries:
            self.batch.meta["resources"] = encode(self.resources.kept())
        up = self.resources.schedulable()
        came, went = up.difference(self._known_up), self._known_up.difference(up)
        self._known_up = up
        if went:
            self.handle(ev.NodesDown(now, str(went), kill=False))
        if came:
            self.handle(ev.NodesUp(now, str(came)))

    # The loop.

    async def run(self) -> None:
        """Tick until `close`. Raises what is a mistake of ours: the instance must then be started anew from its store."""
        loop = asyncio.get_running_loop()
        self._rests.clear()
        try:
            while not self._closing:
                delay = self._next_time() - self.clock.now()
                if not (self._inbox or self._fresh or self._settling) and delay > 0:
                    timer = None if delay == math.inf else loop.call_later(delay, self._wake.set)
                    await self._wake.wait()
                    if timer is not None:
                        timer.cancel()
                else:  # one tick after another must not keep clients waiting
                    await asyncio.sleep(0)
                self._wake.clear()
                await self.tick()
        except StoreError as error:
            self.log("error", f"{error}; what is not stored yet is lost")
        finally:
            self._rests.set()

    async def tick(self) -> None:
        """Take in everything that has come, let the policies decide, make it durable, carry it out."""
        self.ticks += 1
        now = self.now()
        self._feed(now)
        engine = self.engine
        if engine.wants_pass() or engine.next_due() <= now:  # a promise comes due without any event
            steps = engine.steps(ev.Pass(now))
            until = stopwatch() + self._slice
            while True:
                try:
                    next(steps)
                except StopIteration as end:
                    self._take(end.value)
                    break
                if stopwatch() > until:
                    self.rested.clear()
                    if self._settling:
                        await self._commit()
                    await asyncio.sleep(0)
                    until = stopwatch() + self._slice
            self.rested.set()
        await self._commit()

    def now(self) -> float:
        """The instant of what happens now: never before what has happened."""
        return max(self.clock.now(), self.engine.now)

    def _next_time(self) -> float:
        return min(
            self.engine.next_due(), self.dependencies.next_time(), self._next_changes, self.housekeeping.next_time()
        )

    def _feed(self, now: float) -> None:
        inbox, fresh, handle = self._inbox, self._fresh, self.handle
        for news in self.dependencies.due(now):
            self._news(news, now)
        if self.housekeeping.next_time() <= now:
            self.housekeeping.release(now)
        if self._next_changes <= now:
            for event in self.priorities.changes(list(self.engine.jobs.values()), now):
                handle(event)
            self._next_changes = now + (self.priorities.interval or math.inf)
        while inbox or fresh:
            while fresh:
                live = fresh.popleft()
                handle(live.submission(now))
                self.suspend(live, now)
                for news in live.news:
                    self._news(news, now)
            while inbox:
                inbox.popleft()(now)

    def handle(self, event: ev.Event) -> None:
        """Give the engine an event and take what comes of it. Raises EngineError, and nothing has happened."""
        actions = self.engine.handle(event)
        if actions is not ev.NOTHING:
            self._take(actions)

    def suspend(self, live: LiveJob, now: float) -> None:
        """Hold a pending job back while its virtual queue is stopped, and no longer."""
        queue = self.queues.all.get(live.record.get("queue", ""))
        job = self.engine.jobs.get(live.jobid)
        if queue is None or job is None or job.state > State.SCHED:
            return
        on = queue.config.parent is not None and queue.stopped is not None
        if job.suspended != on:
            self.handle(ev.Suspend(now, live.jobid, on=on))

    def _take(self, actions: ev.Actions) -> None:
        for start in actions.start:
            live = self.jobs[start.jobid]
            live.R = start.R
            live.ends = start.end
        for logged in actions.log:
            self._log(logged)
        self._stops += actions.stop

    def _log(self, logged: ev.LogEntry) -> None:
        """Enter an event of the engine's into the job's log, with what the engine does not know."""
        time, jobid, name, context = logged
        live = self.jobs[jobid]
        if name in live.logged:
            live.logged.discard(name)
            return
        if name == "alloc":
            context = self._allocate(live, time)
        elif name == "exception" and context is not None and "userid" not in context:
            context = {**context, "userid": self.intake.owner}
        self.write(live, time, name, context)
        if live.flags & DEBUG and name in {"priority", "alloc"}:
            self.write(live, time, "debug.alloc-request" if name == "priority" else "debug.start-request", {})
        if name == "start":
            for news in self.dependencies.started(jobid):
                self.deliver_news(news)
        elif name == "clean":
            self._finish(live, time)

    def write(self, live: LiveJob, time: float, name: str, context: dict[str, Any] | None) -> None:
        """Append an event to a job's log, and to its record."""
        self.batch.add(live.jobid, EVENTLOG, entry(time, name, context))
        rec.apply(live.record, name, time, context or {})
        if self.intake.watched:
            self.intake.job_event(live.jobid, time, name, context or {})

    def _allocate(self, live: LiveJob, time: float) -> dict[str, Any]:
        document = live.R.to_dict()
        execution = document["execution"]
        execution["starttime"] = time
        execution["expiration"] = 0.0 if live.ends == math.inf else live.ends
        live.document = document
        rec.allocated(live.record, document)
        if self.executor is not None:
            launch = self._launch(live)
            live.origin = self.executor.origin(launch)
            self._launches.append(launch)
        self.batch.allocations.append((encode(document), live.origin, live.jobid))
        annotations: dict[str, Any] = {"sched": {"resource_summary": live.R.dumps()}}
        user = live.record.get("annotations", {}).get("user")
        if user:
            annotations["user"] = user
        if self.priorities.watches:
            self.priorities.plugin.started(self.engine.jobs[live.jobid], time)
        return {"annotations": annotations}

    def keep_unwaited(self) -> None:
        """Store which waitable jobs have ended and nobody has waited for."""
        self.batch.meta["waitables"] = encode(list(self.unwaited))

    def _finish(self, live: LiveJob, time: float) -> None:
        record = live.record
        self.batch.ended.append((time, encode(record), live.jobid))
        self._over.append(live)
        self.intake.ending[live.jobid] = live
        if live.flags & WAITABLE:
            self.unwaited[live.jobid] = None
            self.keep_unwaited()
        self.counts.ended(record)
        del self.jobs[live.jobid]
        for news in self.dependencies.over(live.jobid, record):
            self.deliver_news(news)

    def _news(self, news: News, now: float) -> None:
        job = self.engine.jobs.get(news.jobid)
        if job is None or news.description not in job.dependencies:
            return
        if news.met:
            self.handle(ev.DependencyMet(now, news.jobid, news.description))
        else:
            note = f"dependency {news.description} can never be satisfied"
            self.handle(ev.Cancel(now, news.jobid, "dependency", note, self.intake.owner))

    # Reports of the executor.

    def _report(self, report: ex.Report, now: float) -> None:
        live = self.jobs.get(report.jobid)
        if live is None:
            self.housekeeping.report(report, now)
            return
        kind = type(report)
        if kind is ex.Entry:
            self.batch.add(report.jobid, report.log, entry(report.time, report.name, report.context))  # type: ignore[union-attr]
            return
        try:
            if kind is ex.Started:
                if not live.record.get("_started"):
                    self.handle(ev.Running(now, report.jobid))
            elif kind is ex.Raised:
                self.raise_exception(live, report.type, report.severity, report.note, now)  # type: ignore[union-attr]
            elif kind is ex.Released:
                self.handle(ev.Released(now, report.jobid, report.ranks))  # type: ignore[union-attr]
            else:
                if report.lost:  # type: ignore[union-attr]
                    self._requeue(live, now)
                if self.priorities.watches:
                    self.priorities.plugin.ended(self.engine.jobs[report.jobid], now)
                self._end(live, report.status, now, lost=report.lost)  # type: ignore[union-attr]
        except (EngineError, InvalidTransitionError) as error:
            self.log("error", f"executor {self.executor.name if self.executor else ''}: {error}")

    def _end(self, live: LiveJob, status: int, now: float, *, lost: bool) -> None:
        if not self.housekeeping.command or lost:  # on a lost host nothing runs
            self.handle(ev.Ended(now, live.jobid, status))
            return
        self.handle(ev.EndedKeeping(now, live.jobid, status, now + EXPECTED))
        self._launches += self.housekeeping.begin(live, now)

    def _requeue(self, live: LiveJob, now: float) -> None:
        """Submit a job that was lost with its host anew, where its jobspec allows: `attributes.system.requeue`, true (once) or a number of times."""
        again = self.intake.again(live)
        if again is None:
            return
        try:
            fresh = self.intake.take(again, live.record["urgency"], live.flags, live.record["userid"], self.batch)
        except RequestError as error:
            self.write(live, now, "memo", {"requeue": f"refused: {error.message}"})
            return
        self._fresh.append(fresh)
        self.write(live, now, "memo", {"requeue": rec.f58(fresh.jobid)})

    def raise_exception(self, live: LiveJob, kind: str, severity: int, note: str, now: float) -> None:
        """An exception of a job: a fatal one (severity 0) ends it."""
        job = self.engine.jobs.get(live.jobid)
        if severity == 0 and job is not None and live.record["state"] < rec.CLEANUP:
            self.handle(ev.Cancel(now, live.jobid, kind, note, self.intake.owner))
        else:
            context = {"type": kind, "severity": severity, "note": note, "userid": self.intake.owner}
            self.write(live, now, "exception", context)

    # What is durable is done.

    async def _commit(self) -> None:
        """Make the batch durable and do what waited for that."""
        batch, self.batch = self.batch, Batch()
        self.intake.unstored = set()
        settling, self._settling = self._settling, []
        launches, self._launches = self._launches, []
        stops, self._stops = self._stops, []
        over, self._over = self._over, []
        runs: list[Any] = []
        if batch:
            if batch.ended:
                batch.meta[META] = self.counts.kept()
            batch.meta["last_time"] = self.now()  # no later life begins before what this one has told
            delay = 0.05
            while True:
                began = stopwatch()
                try:
                    if self._thread is None or self._write_time < BRIEF:
                        runs = self.store.write(batch)
                    else:
                        runs = await asyncio.get_running_loop().run_in_executor(self._thread, self.store.write, batch)
                    self._write_time += 0.2 * (stopwatch() - began - self._write_time)
                    break
                except StoreError as error:
                    if self._closing or self._rests.is_set():  # at the end, or before anything is served
                        self._forsake(settling)
                        raise
                    if self.stuck is None:
                        self.log("error", f"{error}; waiting until it can be written, and refusing jobs until then")
                    self.stuck = str(error)
                    await asyncio.sleep(delay)
                    delay = min(2 * delay, MAX_RETRY)
            self.intake.forget()
            if self.stuck is not None:
                self.log("info", "the store can be written again")
                self.stuck = None
        for future, result in settling:
            if not future.done():
                future.set_result(result)
        executor = self.executor
        if executor is not None:
            for launch in launches:
                executor.launch(launch)
            for stop in stops:
                stopped = self.jobs.get(stop.jobid)
                if stopped is not None and stopped.document is not None:
                    executor.stop(stop.jobid, stop.reason)
            for key, seq in batch.tokens.items():
                executor.committed(key, seq)
        for live in over:
            del self.intake.ending[live.jobid]
            if live.flags & WAITABLE:
                self.waitables[live.jobid] = live.record
            live.finish()
        if runs:
            self.streams.publish(runs)

    def _forsake(self, settling: list[tuple[asyncio.Future[Any], Any]]) -> None:
        """Nothing will be durable any more: tell those who wait for it."""
        for future, _ in (*settling, *self._settling):
            if not future.done():
                future.set_exception(RequestError(errno.ESHUTDOWN, "the instance ends, and cannot store this"))
        self._settling.clear()

    def _launch(self, live: LiveJob) -> ex.Launch:
        assert live.document is not None
        ends = 0.0 if live.ends == math.inf else live.ends
        return ex.Launch(live.jobid, live.record["userid"], live.document, self.intake.jobspec(live), ends)

    def purge(self, jobids: Sequence[int]) -> int:
        """Forget inactive jobs, MAX_PURGE at most; returns how many it knew. Runs inside a tick. Raises StoreError."""
        unstored = {environment for *_, environment in self.batch.jobs if environment is not None}
        records = self.store.purge(jobids, unstored)
        if records:
            self.intake.purged()
            self.counts.purged(records)
            self.batch.meta[META] = self.counts.kept()
            for jobid in jobids:
                if self.waitables.pop(jobid, None) is not None:
                    del self.unwaited[jobid]
                    self.keep_unwaited()
        return len(records)

    async def close(self) -> None:
        """Stop ticking; what has been decided is made durable, where that is possible."""
        self._closing = True
        self._wake.set()
        await self._rests.wait()
        try:
            await self._commit()
        except StoreError as error:
            self.log("error", f"{error}; what is not stored yet is lost")
        if self._thread is not None:
            self._thread.shutdown()

    def check(self) -> None:
        """Raise AssertionError where driver, engine and records contradict each other."""
        self.engine.check()
        fresh = {live.jobid for live in self._fresh}
        assert set(self.jobs) == set(self.engine.jobs) | fresh, set(self.jobs) ^ (set(self.engine.jobs) | fresh)
        for jobid, job in self.engine.jobs.items():
            assert self.jobs[jobid].record["state"] == int(job.state), (jobid, job.state, self.jobs[jobid].record)
            assert (job.jobid in self.engine.running) == (self.jobs[jobid].document is not None), jobid
