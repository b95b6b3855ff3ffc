"""What clients ask of jobs beside submitting them: changes, signals, waiting, and answers about them.

Each method is one request of the HTTP API, with plain values in and out; those that change something are coroutines that return when the change is
durable. Raises RequestError (or another FluxplugError with an errno), and then nothing has changed.
"""

from __future__ import annotations

import asyncio
import errno
import math
from typing import TYPE_CHECKING, Any

import attrs

from fluxplug.engine import events as ev
from fluxplug.engine.explain import explain
from fluxplug.engine.moves import EngineError
from fluxplug.instance import record as rec
from fluxplug.instance.errors import RequestError
from fluxplug.instance.estimates import readable
from fluxplug.instance.jobs import WAITABLE, decode, encode
from fluxplug.instance.listing import check_attributes, compile_constraint, listing_key
from fluxplug.values.duration import parse_fsd
from fluxplug.values.idset import IDset
from fluxplug.values.jobid import id_parse

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from fluxplug.exec import Process
    from fluxplug.instance.driver import Driver
    from fluxplug.instance.jobs import LiveJob

MAX_LISTED = 1_000_000
INPUT_PAUSE = 0.02
DURATION, QUEUE = "attributes.system.duration", "attributes.system.queue"


def parse_id(text: Any) -> int:
    """A job id in any form. Raises RequestError."""
    try:
        return id_parse(text)
    except (ValueError, TypeError, AttributeError):
        raise RequestError(errno.EINVAL, f"{str(text)[:80]!r} is not a valid Flux jobid") from None


class JobRequests:
    """The requests of one instance's clients that are about jobs."""

    def __init__(self, driver: Driver) -> None:
        self.driver = driver

    def live(self, jobid: int) -> LiveJob:
        """An active job. Raises RequestError (ENOENT) with Flux's texts."""
        live = self.driver.jobs.get(jobid)
        if live is None:
            known = self.driver.store.job(jobid) is not None
            raise RequestError(errno.ENOENT, "job is inactive" if known else "unknown job id")
        return live

    def record(self, jobid: int) -> dict[str, Any]:
        """What a listing shows of one job. Raises RequestError (ENOENT)."""
        found = self.driver.intake.record(jobid)
        if found is None:
            raise RequestError(errno.ENOENT, "unknown job id")
        return self._show(found, None)

    def _show(self, record: Mapping[str, Any], wanted: frozenset[str] | None) -> dict[str, Any]:
        shown = rec.public(record, wanted)
        if record["state"] == rec.SCHED and (wanted is None or "annotations" in wanted):
            self.driver.estimates.annotate(record["id"], shown)
        return shown

    def list_jobs(
        self, max_entries: int, attrs_: Any, since: float, constraint: Any, ids: list[int] | None
    ) -> list[dict[str, Any]]:
        """Jobs in listing order: pending by priority, running and inactive newest first (RFC 43). `since` leaves out what ended before."""
        wanted = check_attributes(attrs_)
        test = compile_constraint(constraint or {})
        intake = self.driver.intake
        if ids is not None:
            records = (intake.record(jobid) for jobid in ids)
            return [self._show(record, wanted) for record in records if record is not None and test(record)]
        limit = max_entries or MAX_LISTED
        there = (*self.driver.jobs.values(), *intake.ending.values())
        chosen = [live.record for live in there if test(live.record)]
        chosen.sort(key=listing_key)
        found = [self._show(record, wanted) for record in chosen[:limit]]
        if len(found) < limit and not _active_only(constraint):
            for _, row in self.driver.store.ended(since):
                record = decode(row)
                if record["id"] not in intake.ending and test(record):
                    found.append(self._show(record, wanted))
                    if len(found) >= limit:
                        break
        return found

    async def raise_exception(self, jobid: int, kind: str, severity: int, note: str) -> None:
        """An exception of an active job."""
        _check_exception(kind, severity)
        driver = self.driver
        await driver.call(lambda now: driver.raise_exception(self.live(jobid), kind, severity, note, now))

    async def kill(self, jobid: int, signum: int) -> None:
        """Send a signal to a running job."""
        driver = self.driver
        _check_signal(signum)

        def kill(now: float) -> None:
            del now
            live = driver.jobs.get(jobid)
            if live is None and driver.intake.record(jobid) is None:
                raise RequestError(errno.ENOENT, "unknown job id")
            if live is None or live.record["state"] != rec.RUN or driver.executor is None:
                raise RequestError(errno.EINVAL, "job is not running")
            driver.executor.signal(jobid, signum)

        await driver.call(kill)

    async def processes(self, jobid: int) -> list[Process]:
        """The processes of a running job's tasks, by rank. Raises RequestError, or ExecutorError."""
        live = self.driver.jobs.get(jobid)
        if live is None and self.driver.intake.record(jobid) is None:
            raise RequestError(errno.ENOENT, "unknown job id")
        if live is None or live.record["state"] != rec.RUN or self.driver.executor is None:
            raise RequestError(errno.EINVAL, "job is not running")
        return await self.driver.executor.processes(jobid)

    async def each(
        self, ids: list[int] | None, userid: int | None, states: int, dry: bool, act: Callable[[LiveJob, float], None]
    ) -> dict[str, Any]:
        """Do something to many jobs: those named, or all active ones of a user in some states."""
        driver = self.driver

        def run(now: float) -> dict[str, Any]:
            errors = []
            if ids is None:
                chosen = [
                    jobid
                    for jobid, live in driver.jobs.items()
                    if live.record["state"] & states and (userid is None or live.record["userid"] == userid)
                ]
            else:
                chosen = ids
            done = 0
            for jobid in chosen:
                try:
                    live = self.live(jobid)
                    if not dry:
                        act(live, now)
                        done += 1
                except (RequestError, EngineError) as error:
                    code = error.errno if isinstance(error, RequestError) else errno.EINVAL
                    text = error.message if isinstance(error, RequestError) else str(error)
                    errors.append({"id": rec.f58(jobid), "errno": code, "message": text})
            return {"matched": len(chosen), "done": done, "errors": errors}

        result: dict[str, Any] = await driver.call(run)
        return result

    async def raise_many(  # noqa: PLR0917 - one request's members
        self, ids: list[int] | None, userid: int | None, states: int, dry: bool, kind: str, severity: int, note: str
    ) -> dict[str, Any]:
        """As `raise_exception`, for many."""
        _check_exception(kind, severity)
        driver = self.driver
        return await self.each(
            ids, userid, states, dry, lambda live, now: driver.raise_exception(live, kind, severity, note, now)
        )

    async def kill_many(
        self, ids: list[int] | None, userid: int | None, states: int, dry: bool, signum: int
    ) -> dict[str, Any]:
        """As `kill`, for many."""
        _check_signal(signum)

        def kill(live: LiveJob, now: float) -> None:
            del now
            if live.record["state"] != rec.RUN or self.driver.executor is None:
                raise RequestError(errno.EINVAL, "job is not running")
            self.driver.executor.signal(live.jobid, signum)

        return await self.each(ids, userid, states & rec.RUN if ids is None else states, dry, kill)

    async def urgency(self, jobid: int, urgency: int) -> int:
        """Change the urgency of a pending job; returns the old one."""
        if type(urgency) is not int or not 0 <= urgency <= 31:
            raise RequestError(errno.EINVAL, "urgency range is [0:31]")
        driver = self.driver

        def change(now: float) -> int:
            live = self.live(jobid)
            old = int(live.record["urgency"])
            try:
                driver.handle(ev.SetUrgency(now, jobid, urgency, driver.intake.owner))
            except EngineError:
                raise RequestError(errno.EINVAL, "urgency cannot be changed once resources are allocated") from None
            return old

        result: int = await driver.call(change)
        return result

    async def update(self, jobid: int, updates: dict[str, Any]) -> dict[str, Any]:
        """Change attributes of an active job's jobspec, all or none, and return what has changed.

        `attributes.system.duration`: its time limit (seconds, FSD, or `+`/`-` and one of these); `attributes.system.queue`: a pending job goes
        to another queue, with what that asks for and allows, and keeps the time of its submission.
        """
        driver = self.driver
        if not updates:
            raise RequestError(errno.EINVAL, "no updates given")
        for key in updates:
            if key not in {DURATION, QUEUE}:
                raise RequestError(errno.EINVAL, f"update of {key[:80]} not supported")

        def change(now: float) -> dict[str, Any]:
            live = self.live(jobid)
            limit = _duration(updates[DURATION], live.record["duration"]) if DURATION in updates else None
            name = updates.get(QUEUE, live.record.get("queue", ""))
            if not isinstance(name, str):
                raise RequestError(errno.EINVAL, f"queue: expected a name, not {str(name)[:40]}")
            if name != live.record.get("queue", ""):
                return self._move(live, name, limit, now)
            return {} if limit is None else self._limit(live, limit, now)

        result: dict[str, Any] = await driver.call(change)
        return result

    def _move(self, live: LiveJob, name: str, limit: float | None, now: float) -> dict[str, Any]:
        driver, jobid = self.driver, live.jobid
        if live.document is not None:
            raise RequestError(errno.EINVAL, "queue cannot be changed once resources are allocated")
        taken, queue, request = driver.intake.moved(live, name, limit, live.record["userid"])
        try:
            driver.handle(ev.SetQueue(now, jobid, queue, request, live.brief(queue=name), taken))
        except EngineError as error:
            raise RequestError(errno.EINVAL, str(error)) from None
        driver.intake.update(live, taken, driver.batch)
        live.queue, live.request = queue, request
        driver.suspend(live, now)
        return taken

    def _limit(self, live: LiveJob, limit: float, now: float) -> dict[str, Any]:
        driver, jobid = self.driver, live.jobid
        self._check_limit(live, limit)
        try:
            driver.handle(ev.SetLimit(now, jobid, limit))
        except EngineError as error:
            raise RequestError(errno.EINVAL, str(error)) from None
        taken = {DURATION: limit}
        driver.intake.update(live, taken, driver.batch)
        live.request = live.request.with_duration(limit)
        if live.document is not None:
            live.record["duration"] = limit
            live.ends = driver.engine.jobs[jobid].ends
            ends = 0.0 if live.ends == math.inf else live.ends
            live.document["execution"]["expiration"] = ends
            driver.batch.allocations.append((encode(live.document), live.origin, jobid))
            if driver.executor is not None:
                driver.executor.set_expiration(jobid, ends)
        return taken

    def _check_limit(self, live: LiveJob, duration: float) -> None:
        from fluxplug.errors import RefusedError  # noqa: PLC0415 - rare

        name = live.record.get("queue", "")
        try:
            self.driver.intake.site.check_duration(self.driver.queues.all[name].config, duration)
        except RefusedError as error:
            raise RequestError(errno.EINVAL, str(error)) from None

    async def memo(self, jobid: int, memo: dict[str, Any], *, volatile: bool = False) -> None:
        """Note something on an active job; what is `volatile` is in no log, and gone with the server."""
        if not memo:
            raise RequestError(errno.EINVAL, "an empty memo")
        driver = self.driver

        def note(now: float) -> None:
            live = self.live(jobid)
            if volatile:
                rec.apply(live.record, "memo", now, memo)
            else:
                driver.write(live, now, "memo", memo)

        await driver.call(note)

    async def input(
        self, jobid: int, ranks: str, data: bytes, *, eof: bool, window: tuple[int, int] | None = None
    ) -> None:
        """Hand data to the standard input of tasks, after a change of their terminals' `window` (rows, columns)."""
        if ranks != "all":
            try:
                IDset(ranks)
            except ValueError as error:
                raise RequestError(errno.EINVAL, f"ranks: {error}") from None
        driver = self.driver
        # Whoever sends it waits, as the writer of a pipe does.
        while data and driver.executor is not None and not driver.executor.takes_input(jobid):  # noqa: ASYNC110 - rare
            await asyncio.sleep(INPUT_PAUSE)

        def write(now: float) -> None:
            del now
            live = self.live(jobid)
            if live.document is None or driver.executor is None:
                raise RequestError(errno.EAGAIN, "job is not running yet")
            if window is not None:
                driver.executor.resize(jobid, ranks, *window)
            if data or eof or window is None:
                driver.executor.write(jobid, ranks, data, eof=eof)

        await driver.call(write)

    async def result(self, jobid: int, timeout: float | None) -> dict[str, Any]:
        """Wait until a job is over. Raises RequestError (ETIMEDOUT, ENOENT)."""
        live = self.driver.jobs.get(jobid) or self.driver.intake.ending.get(jobid)
        if live is None:
            record = self.driver.intake.record(jobid)
            if record is None:
                raise RequestError(errno.ENOENT, "unknown job id")
        else:
            waiter: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
            live.waiters.append(waiter)
            try:
                record = await asyncio.wait_for(waiter, timeout)
            except asyncio.TimeoutError:
                raise RequestError(errno.ETIMEDOUT, "the job has not ended yet") from None
            finally:
                if waiter in live.waiters:
                    live.waiters.remove(waiter)
        keys = ("result", "t_submit", "t_run", "t_cleanup", "waitstatus", "exception_occurred", "exception_type",
                "exception_severity", "exception_note")  # fmt: skip
        return {"id": rec.f58(jobid), **{key: record[key] for key in keys if key in record}}

    async def wait(self, jobid: int | None) -> dict[str, Any]:
        """Wait for a waitable job, or for the next one, once each. Raises RequestError (ECHILD)."""
        driver = self.driver
        if jobid is None:
            while not driver.waitables:
                there = (*driver.jobs.values(), *driver.intake.ending.values())
                waiting = [live for live in there if live.flags & WAITABLE]
                if not waiting:
                    raise RequestError(errno.ECHILD, "there are no more waitable jobs")
                future: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
                for live in waiting:
                    live.waiters.append(future)
                await future
            jobid = next(iter(driver.waitables))
        elif jobid not in driver.waitables:
            live_one = driver.jobs.get(jobid) or driver.intake.ending.get(jobid)
            if live_one is None or not live_one.flags & WAITABLE:
                raise RequestError(errno.ECHILD, "invalid job id, or job may be inactive and not waitable")
            await self.result(jobid, None)
        record = driver.waitables.pop(jobid, None)
        if record is None:
            raise RequestError(errno.ECHILD, "invalid job id, or job may be inactive and not waitable")
        del driver.unwaited[jobid]
        driver.keep_unwaited()
        await driver.settled()
        return {"id": rec.f58(jobid), "success": record["success"], "errstr": rec.failure(record)}

    def explain(self, jobid: int) -> dict[str, Any]:
        """Why a job is not running, and when it will."""
        live = self.live(jobid)
        driver = self.driver
        if driver.engine.passing or live.jobid not in driver.engine.jobs:
            known = driver.estimates.known.get(jobid)
            if known is None:
                raise RequestError(errno.EAGAIN, "a scheduling pass is under way")
        else:
            known = explain(driver.engine, jobid)
            assert known is not None
        return {**attrs.asdict(known), "text": readable(known.text), "id": rec.f58(jobid), "jobid": None}


def _active_only(constraint: Any) -> bool:
    """Whether a constraint asks by its states for active jobs alone, so that the store need not be read."""
    if not isinstance(constraint, dict):
        return False
    if "states" in constraint:
        try:
            test = compile_constraint(constraint)
        except ValueError:
            return False
        return not test({"state": rec.INACTIVE})
    return any(_active_only(part) for part in constraint.get("and", ()))


def _check_exception(kind: str, severity: int) -> None:
    if not 0 <= severity <= 7:
        raise RequestError(errno.EPROTO, "severity must be in 0..7")
    if not kind or len(kind) > 80 or not kind.isprintable():
        raise RequestError(errno.EPROTO, "type must be a word")


def _check_signal(signum: int) -> None:
    if not 1 <= signum <= 64:
        raise RequestError(errno.EINVAL, f"no signal {signum}")


def _duration(value: Any, now: float) -> float:
    """A new time limit in seconds; 0 for none."""
    try:
        if isinstance(value, str):
            sign = value[:1] if value[:1] in {"+", "-"} else ""
            seconds = float(parse_fsd(value.removeprefix(sign)))
            if sign:
                if not now:
                    raise RequestError(errno.EINVAL, "duration: the job has no time limit to change")
                seconds = now + seconds if sign == "+" else now - seconds
                if seconds <= 0:
                    raise RequestError(errno.EINVAL, f"duration: {value} leaves nothing of {now:g} s")
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            seconds = value
        else:
            seconds = math.nan
    except ValueError:
        raise RequestError(errno.EINVAL, f"duration: {str(value)[:40]!r} is no duration") from None
    if not 0 <= seconds < math.inf:
        raise RequestError(errno.EINVAL, "duration: must be a number or FSD, finite and not negative; 0 for no limit")
    return seconds
