"""Jobs on their way into an instance, and those that are in it: validation, ids, rows of the store, what is kept of each in memory."""

from __future__ import annotations

import errno
import hashlib
import math
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import msgspec
from attrs import define, field

from fluxplug.engine import events as ev
from fluxplug.errors import PluginError, RefusedError
from fluxplug.instance import record as rec
from fluxplug.instance.dependencies import DependencyError, resolve
from fluxplug.instance.errors import RequestError
from fluxplug.instance.queues import QueueError
from fluxplug.instance.store import EVENTLOG
from fluxplug.jobspec.validate import check_canonical, check_keys, check_v1
from fluxplug.values.jobid import FluidGenerator

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Mapping

    from fluxplug.clock import Clock
    from fluxplug.config import Config
    from fluxplug.engine.engine import Engine
    from fluxplug.ingest import Site
    from fluxplug.instance.dependencies import Dependencies, News
    from fluxplug.instance.queues import Queues
    from fluxplug.instance.resources import Resources
    from fluxplug.instance.store import Batch, Store
    from fluxplug.plugins import Plugins
    from fluxplug.priority import Priorities

DEBUG, WAITABLE, NOVALIDATE = 2, 4, 8
FLAGS = DEBUG | WAITABLE | NOVALIDATE | 1
RECENT = 4096
"""Jobspecs that are kept decoded after submission: most jobs of a busy instance start while theirs is among them."""

_FOR_TASKS = frozenset({"environment", "files", "shell", "cwd", "job"})

encode = msgspec.json.Encoder().encode
decode = msgspec.json.decode


class _Entry(msgspec.Struct, omit_defaults=True):
    timestamp: float
    name: str
    context: Any = None


def entry(time: float, name: str, context: Mapping[str, Any] | None) -> bytes:
    """An entry of a log (RFC 18), with its newline."""
    return encode(_Entry(time, name, context)) + b"\n"


@define(eq=False)
class LiveJob:
    """A job that is not over: its record, and what listings need not know.

    `R` is the pool's, `document` the same as RFC 20 has it, with its times. `logged`: entries that an earlier life of the instance has written
    and the engine is going to repeat. `waiters` are resolved with the record when the job is over.
    """

    jobid: int
    record: dict[str, Any]
    flags: int
    request: Any
    queue: str
    dependencies: tuple[str, ...] = ()
    news: list[News] = field(factory=list)
    R: Any = None
    document: dict[str, Any] | None = None
    origin: str | None = None
    ends: float = math.inf
    logged: set[str] = field(factory=set)
    waiters: list[asyncio.Future[dict[str, Any]]] = field(factory=list)

    def submission(self, now: float) -> ev.Submit:
        """The event with which the engine hears of it."""
        record = self.record
        urgency, userid, since = record["urgency"], record["userid"], record["t_submit"]
        jobspec = self.brief()
        return ev.Submit(
            now, self.jobid, self.request, self.queue, urgency, userid, self.dependencies, jobspec, self.flags, since
        )

    def brief(self, **changes: str) -> dict[str, Any] | None:
        """What priorities are made of, as a jobspec: the whole one of each waiting job would fill the memory."""
        system = {key: self.record[key] for key in ("bank", "project", "queue") if key in self.record} | changes
        return {"attributes": {"system": system}} if system else None

    def finish(self) -> None:
        """It is over, durably."""
        for waiter in self.waiters:
            if not waiter.done():
                waiter.set_result(self.record)


class Intake:
    """What every job passes on its way in, and the parts of the instance that this needs.

    `jobs` are those that are not over, `ending` those that are, but not durably yet. `watched`: some plugin wants to hear of events of jobs.
    """

    def __init__(
        self,
        config: Config,
        plugins: Plugins,
        *,
        site: Site,
        engine: Engine,
        store: Store,
        clock: Clock,
        priorities: Priorities,
        resources: Resources,
        queues: Queues,
        dependencies: Dependencies,
        owner: int,
        power: bool,
    ) -> None:
        self.config, self.plugins, self.site = config, plugins, site
        self.engine, self.store, self.clock, self.priorities = engine, store, clock, priorities
        self.resources, self.queues, self.dependencies = resources, queues, dependencies
        self.owner, self.power = owner, power
        self.jobs: dict[int, LiveJob] = {}
        self.ending: dict[int, LiveJob] = {}
        self.watched = plugins.wants("job_event")
        self.job_event = plugins.job_event
        epoch = store.meta("epoch")
        self._ids = FluidGenerator(0, lambda: int((clock.now() - epoch) * 1000), after=store.last_id())
        self._environments: set[bytes] = set()
        self._requests: dict[bytes, Any] = {}
        self._recent: OrderedDict[int, dict[str, Any]] = OrderedDict()
        self.unstored: set[int] = set()  #: jobs whose jobspec no commit has begun to write
        self._named = any(queue.name for queue in config.all_queues)

    def take(self, jobspec: Any, urgency: int, flags: int, userid: int, batch: Batch) -> LiveJob:
        """Validate a job, give it an id, and enter it into `batch`. Raises RequestError, and nothing is entered."""
        if type(urgency) is not int or not 0 <= urgency <= 31:
            raise RequestError(errno.EINVAL, "urgency range is [0:31]")
        if type(flags) is not int or flags & ~FLAGS:
            raise RequestError(errno.EPROTO, f"flags: {flags!r:.40} is no combination of {FLAGS:#x}")
        try:
            check_keys(jobspec)
            (check_v1 if jobspec["version"] == 1 else check_canonical)(jobspec)
        except (ValueError, TypeError) as error:
            raise RequestError(errno.EPERM if "Missing key" in str(error) else errno.EINVAL, str(error)) from None
        jobspec, queue_name, engine_queue = self._admit(jobspec, userid)
        system = jobspec["attributes"]["system"]
        request = self._request(jobspec, system)
        wanted = system.get("dependencies")
        dependencies = []
        targets: dict[int, Mapping[str, Any]] = {}
        if wanted:
            try:
                dependencies = resolve(wanted, rec.f58)
            except DependencyError as error:
                raise RequestError(errno.EINVAL, str(error)) from None
            self._find_targets(wanted, dependencies, targets)
        jobid = int(self._ids.next())
        now = self.clock.now()
        environment = system.pop("environment", None)
        number = None if environment is None else self._environment(environment, batch)
        record = rec.initial(jobid, jobspec)
        if self._named and queue_name:
            record["queue"] = queue_name
        context = {"urgency": urgency, "userid": userid, "flags": flags, "version": 1}
        rec.apply(record, "submit", now, context)
        batch.jobs.append((jobid, userid, encode(jobspec), number))
        batch.add(jobid, EVENTLOG, entry(now, "submit", context))
        if self.watched:
            self.job_event(jobid, now, "submit", context)
        if environment is not None:
            system["environment"] = environment
        self._remember(jobid, jobspec)
        live = LiveJob(jobid, record, flags, request, engine_queue, tuple(one.description for one in dependencies))
        live.logged.add("submit")
        live.news = self.dependencies.add(jobid, userid, record["name"], dependencies, targets)
        self.jobs[jobid] = live
        return live

    def _request(self, jobspec: dict[str, Any], system: dict[str, Any]) -> Any:
        """What the pool makes of a jobspec: once for all that ask for the same. The pool does not get to see, or keep, what is for tasks alone."""
        told = {key: value for key, value in system.items() if key not in _FOR_TASKS}
        seen = {**jobspec, "attributes": {**jobspec["attributes"], "system": told}}
        key = encode([jobspec["resources"], {name: value for name, value in told.items() if name != "duration"}])
        request = self._requests.get(key)
        if request is None:
            try:
                request = self.engine.pool.parse_resource_request(seen)
            except (ValueError, KeyError) as error:
                raise RequestError(errno.EINVAL, f"cannot be scheduled: {error}") from None
            if len(self._requests) >= RECENT:
                self._requests.clear()
            self._requests[key] = request
        return request.with_duration(float(system.get("duration") or 0))

    def _admit(self, jobspec: dict[str, Any], userid: int) -> tuple[dict[str, Any], str, str]:
        """What the site makes of a jobspec, the queue that it names, and the engine's."""
        self._check_name(((jobspec["attributes"].get("system")) or {}).get("queue"))
        try:
            finished, queue = self.site.finish(jobspec, userid)
            self.queues.check_open(queue.name)
        except (RefusedError, QueueError) as error:
            text = error.strerror if isinstance(error, QueueError) else str(error)
            raise RequestError(errno.EINVAL, text or str(error)) from None
        except PluginError as error:
            raise RequestError(errno.EINVAL, str(error)) from None
        return finished, queue.name, queue.engine_queue

    def _check_name(self, name: Any) -> None:
        if name is not None and name not in self.queues.all:
            shown = str(name)[:80]
            if self._named:
                raise RequestError(errno.EPERM, f"Invalid queue '{shown}' specified")
            raise RequestError(errno.EINVAL, f"'{shown}' is not a valid queue")

    def _find_targets(
        self, wanted: list[dict[str, Any]], dependencies: list[Any], targets: dict[int, Mapping[str, Any]]
    ) -> None:
        for one in dependencies:
            if one.target is None:
                continue
            found = self.record(one.target)
            if found is None:
                named = next(each for each in wanted if each["scheme"].startswith("after") and _same(each, one.target))
                raise RequestError(
                    errno.EINVAL, f"dependency: {named['scheme']}: id {named['value'][:80]}: job not found"
                )
            targets[one.target] = found

    def _environment(self, environment: Any, batch: Batch) -> bytes:
        """The key of an environment, which is stored unless it was lately."""
        content = encode(environment)
        digest = hashlib.blake2b(content, digest_size=16).digest()
        known = self._environments
        if digest not in known:
            if len(known) >= RECENT:
                known.clear()
            known.add(digest)
            batch.environments.append((digest, content))
        return digest

    def purged(self) -> None:
        """Environments may be gone from the store: the next job that has one brings it along."""
        self._environments.clear()

    def _remember(self, jobid: int, jobspec: dict[str, Any]) -> None:
        self._recent[jobid] = jobspec
        self.unstored.add(jobid)

    def forget(self) -> None:
        """Keep RECENT jobspecs at most in memory, beside those that are not in the store yet."""
        recent = self._recent
        while len(recent) > RECENT and next(iter(recent)) not in self.unstored:
            recent.popitem(last=False)

    def record(self, jobid: int) -> dict[str, Any] | None:
        """The record of a job, active or not; None where there is no such job."""
        live = self.jobs.get(jobid) or self.ending.get(jobid)
        if live is not None:
            return live.record
        row = self.store.job(jobid)
        return None if row is None or row[2] is None else decode(row[2])

    def jobspec(self, live: LiveJob) -> dict[str, Any]:
        """The jobspec of an active job, updates and environment included."""
        found = self._recent.pop(live.jobid, None)
        if found is None:
            row = self.store.job(live.jobid)
            assert row is not None, live.jobid
            found = decode(row[0])
            environment = self.store.environment(live.jobid)
            if environment is not None:
                found["attributes"]["system"]["environment"] = decode(environment)
        return found

    def moved(self, live: LiveJob, name: str, duration: float | None, userid: int) -> tuple[dict[str, Any], str, Any]:
        """What becomes of an active job in another queue: changes of its jobspec, the engine's queue, the request.

        Raises RequestError where that queue does not take it. Nothing has changed yet.
        """
        jobspec = self._recent[live.jobid] = self.jobspec(live)
        self._check_name(name)
        try:
            changed, queue = self.site.moved(jobspec, name, duration, userid)
            self.queues.check_open(name)
        except (RefusedError, QueueError, PluginError) as error:
            raise RequestError(errno.EINVAL, (isinstance(error, QueueError) and error.strerror) or str(error)) from None
        old, new = jobspec["attributes"]["system"], changed["attributes"]["system"]
        updates = {
            f"attributes.system.{key}": new[key]
            for key in ("queue", "duration", "constraints")
            if old.get(key) != new.get(key)
        }
        return updates, queue.engine_queue, self._request(changed, new)

    def again(self, live: LiveJob) -> dict[str, Any] | None:
        """The jobspec with which a lost job is submitted once more; None where it is not to be."""
        jobspec = self.jobspec(live)
        system = dict(jobspec["attributes"]["system"])
        times = system.pop("requeue", 0)
        if not isinstance(times, int) or times < 1 or live.record.get("exception_type") != "exec":
            return None
        if times > 1:
            system["requeue"] = times - 1
        return {**jobspec, "attributes": {**jobspec["attributes"], "system": system}}

    def update(self, live: LiveJob, updates: Mapping[str, Any], batch: Batch) -> None:
        """Write changes of an active job's jobspec to the store. Values have been checked."""
        jobspec = self.jobspec(live)
        environment = jobspec["attributes"]["system"].pop("environment", None)
        for key, value in updates.items():
            *path, last = key.split(".")
            table = jobspec
            for word in path:
                table = table.setdefault(word, {})
            table[last] = value
        batch.jobspecs.append((encode(jobspec), live.jobid))
        if environment is not None:
            jobspec["attributes"]["system"]["environment"] = environment
        self._remember(live.jobid, jobspec)


def _same(dependency: Mapping[str, Any], target: int) -> bool:
    from fluxplug.values.jobid import id_parse  # noqa: PLC0415 - only in errors

    try:
        return id_parse(dependency["value"]) == target
    except ValueError:
        return False
