"""What a site makes of each job that comes in, from its jobspec to a request that the engine can queue: the steps that a user cannot skip.

In order (RFC 33): the hooks and ingest plugins that modify, whether the user may, the site's defaults, the queue's constraint, the limits, the hooks and ingest
plugins that validate, and so do submission plugins (`fluxplug.cli.plugin`); then the pool's parse. `IngestPlugin` is the contract of a plugin with keys of its own, `Site` takes the steps,
`Ingest` does it for the jobs of a trace at the cost of a few comparisons each. Not here: how a command line becomes a jobspec.
"""

from __future__ import annotations

import contextlib
import copy
import math
from typing import TYPE_CHECKING, Any, ClassVar

from fluxplug.errors import DocumentError, RefusedError

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Hashable, Sequence

    from fluxplug.cli.plugin import CLIPluginRegistry
    from fluxplug.config import Config, JobPolicy, QueueConfig
    from fluxplug.plugins import Plugins
    from fluxplug.resource.pool import ResourcePoolImplementation
    from fluxplug.sim.trace import TraceJob

#: What limits count, by the names of RFC 33.
COUNTED = {"node": "nnodes", "core": "ncores", "gpu": "ngpus"}


#: More of anything than this is a mistake; sums and products of it are exact.
MAX_COUNT = 10**15


class IngestPlugin:
    """A step of ingest with configuration keys of its own; one object a run, made from `[ingest.NAME]` of sched.toml.

    A plugin returns such classes from `fluxplug_register_ingest`. One is at work where the configuration has its table, be it empty, and in
    the order of these tables. `name` is the table's; `Config`, a frozen attrs class, has its keys.
    """

    name: ClassVar[str]
    Config: ClassVar[type[Any] | None] = None

    def __init__(self, config: Any = None) -> None:
        self.config = self.Config() if config is None and self.Config is not None else config

    def modify_jobspec(self, jobspec: dict[str, Any]) -> None:
        """Change a job's request, a valid jobspec document, in place. Called once for each job, before the defaults are applied.

        Must leave a valid jobspec, and raises nothing: either is an error that names the plugin and ends the command.
        """

    def validate(self, jobspec: dict[str, Any]) -> None:
        """Refuse a job: raise ValueError, whose text its user sees. Called once for each job, after defaults, constraint and limits.

        `attributes.system` has the job's `queue`, where queues are configured, and its `duration`. Must not change the jobspec.
        """


class Site:
    """The steps of one configuration with its plugins. `prog` and `args`, the command and its options, are for the hooks.

    `submission` plugins, where given, are asked too; a simulation has none, because their search path is that of who simulates, not the
    site's. `modifies` and `validates` tell whether any other plugin wants to see each job.
    """

    def __init__(
        self,
        config: Config,
        plugins: Plugins | None = None,
        prog: str = "simulate",
        args: Namespace | None = None,
        submission: CLIPluginRegistry | None = None,
    ) -> None:
        self._prog, self._args = prog, args
        self._submission = submission
        self._plugins = plugins
        self._queues = {queue.name: queue for queue in config.all_queues}
        self._default = config.policy.default_queue or (next(iter(self._queues)) if len(self._queues) == 1 else None)
        self._steps: list[tuple[str, IngestPlugin]] = []
        for name, params in config.ingest.items():
            found = (config.plugins if plugins is None else plugins).ingest[name]  # type: ignore[union-attr]
            self._steps.append((f"ingest plugin {name!r} of {found.owner}", found.cls(params)))
        kinds = {type(step) for _, step in self._steps}
        self.modifies = any(kind.modify_jobspec is not IngestPlugin.modify_jobspec for kind in kinds) or (
            plugins is not None and plugins.wants("modify_jobspec")
        )
        self.validates = any(kind.validate is not IngestPlugin.validate for kind in kinds) or (
            plugins is not None and plugins.wants("validate_jobspec")
        )

    def finish(
        self, jobspec: dict[str, Any], userid: int | None = None, *, from_log: bool = False
    ) -> tuple[dict[str, Any], QueueConfig]:
        """A copy of a valid jobspec with everything that the site adds, and its queue, which may be a virtual one: see its `engine_queue`.

        `userid` is who submits it; None: `check_access` is left out. `from_log`: see `queue` and `check_size`. Raises RefusedError; PluginError, which names the plugin, for one that fails or leaves
        no valid jobspec. Each plugin that modifies costs a validation of the jobspec.
        """
        if self.modifies:
            jobspec = copy.deepcopy(jobspec)
            self._modify(jobspec)
        attributes = jobspec.get("attributes") or {}
        system = dict(attributes.get("system") or {})
        queue = self.queue(system.get("queue"), from_log=from_log)
        if userid is not None:
            self.check_access(queue, userid)
        if queue.name:
            system["queue"] = queue.name
        if not system.get("duration") and queue.policy.default_duration is not None:
            system["duration"] = queue.policy.default_duration
        jobspec = {**jobspec, "attributes": {**attributes, "system": system}}
        return self._checked(jobspec, queue, from_log=from_log), queue

    def moved(
        self, jobspec: dict[str, Any], name: str, duration: float | None, userid: int
    ) -> tuple[dict[str, Any], QueueConfig]:
        """A finished jobspec as another queue, and perhaps another time limit, make it: a copy, and the queue. Raises as `finish`.

        The constraint of the queue that it leaves goes: a property that the user asked for as well as that queue goes with it. Plugins that
        modify have had the job, and are not asked again.
        """
        system = dict(jobspec["attributes"]["system"])
        old, queue = self._queues.get(system.get("queue", "")), self.queue(name)
        self.check_access(queue, userid)
        system["queue"] = queue.name
        if duration is not None:
            system["duration"] = duration
        if not system.get("duration") and queue.policy.default_duration is not None:
            system["duration"] = queue.policy.default_duration
        if old is not None and old.properties:
            system["constraints"] = without_properties(system.get("constraints") or {}, old.properties)
        return self._checked({**jobspec, "attributes": {**jobspec["attributes"], "system": system}}, queue), queue

    def _checked(self, jobspec: dict[str, Any], queue: QueueConfig, *, from_log: bool = False) -> dict[str, Any]:
        """A jobspec with its queue's constraint, where limits and plugins allow it."""
        if queue.properties:
            jobspec = with_properties(jobspec, queue.properties)
        self.check_duration(queue, jobspec["attributes"]["system"].get("duration") or 0)
        self.check_size(queue, jobspec["resources"], from_log=from_log)
        if self.validates:
            self._validate(jobspec)
        if self._submission is not None:
            _validate_submitted(self._submission, jobspec)
        return jobspec

    def queue(self, name: str | None, *, from_log: bool = False) -> QueueConfig:
        """The queue of a job that names this one, or none. Raises RefusedError.

        A queue that a log names and the configuration has not is another machine's: the default serves its jobs.
        """
        found = self._queues.get(name) if name else None
        if found is None and self._default is not None and (not name or from_log):
            found = self._queues[self._default]
        if found is None:
            known = [one for one in self._queues if one]
            if name:
                from fluxplug.suggest import instead  # noqa: PLC0415 - only in errors

                raise RefusedError(f"queue {name[:80]!r} is not configured{instead(name, known, 'queues')}")
            raise RefusedError(
                "no queue specified and there is no default queue ([policy.jobspec.defaults.system] queue); "
                f"queues: {', '.join(known)}"
            )
        return found

    @staticmethod
    def check_access(queue: QueueConfig, userid: int) -> None:
        """Compare who submits with `access`; names and groups are those of this machine. Raises RefusedError."""
        access = queue.policy.access
        if not access:
            return
        name, gid = _account(userid)
        if access.users is not None and not {name, str(userid)}.isdisjoint(access.users):
            return
        if access.groups is not None and not _groups(name, gid).isdisjoint(access.groups):
            return
        raise RefusedError(f"user {name} is not allowed to submit jobs{_to(queue)}")

    @staticmethod
    def check_duration(queue: QueueConfig, seconds: float) -> None:
        """Compare a time limit, 0 for none, with `limits.duration`. Raises RefusedError."""
        limit = queue.policy.limits.duration
        if seconds > limit or (not seconds and limit != math.inf):
            from fluxplug.values.duration import fsd_c  # noqa: PLC0415 - only in errors

            asked = fsd_c(seconds) if seconds else "unlimited"
            raise RefusedError(f"requested duration ({asked}) exceeds policy limit of {fsd_c(limit)}{_for(queue)}")

    @staticmethod
    def check_size(queue: QueueConfig, resources: Sequence[dict[str, Any]], *, from_log: bool = False) -> None:
        """Compare what a valid resource section asks for with `limits.job-size`, as it says it: cores do not become nodes.

        The most that it asks for may not be above `max`, nor the least below `min`. `from_log`: a log knows cores alone, so that what
        it does not name is not held to a `min`. Raises RefusedError.
        """
        limits = queue.policy.limits
        if not _bounded(queue.policy):
            return
        for name, (least, most) in _counted(resources).items():
            largest, smallest = getattr(limits.largest, name), getattr(limits.smallest, name)
            shown = str(least) if least == most else f"{least}+" if most == math.inf else f"{least}-{most}"
            if largest is not None and most > largest:
                raise RefusedError(f"requested {name} ({shown}) exceeds policy limit of {largest}{_for(queue)}")
            if smallest is not None and least < smallest and not (from_log and not most):
                raise RefusedError(f"requested {name} ({shown}) is below policy limit of {smallest}{_for(queue)}")

    def _modify(self, jobspec: dict[str, Any]) -> None:
        from fluxplug.plugins import edit  # noqa: PLC0415 - only where plugins take part

        if self._plugins is not None:
            self._plugins.modify_jobspec(self._prog, self._args, jobspec)
        for who, step in self._steps:
            edit(jobspec, step.modify_jobspec, (jobspec,), f"{who}: modify_jobspec")

    def _validate(self, jobspec: dict[str, Any]) -> None:
        from fluxplug.plugins import judge  # noqa: PLC0415 - only where plugins take part

        try:
            if self._plugins is not None:
                self._plugins.validate_jobspec(jobspec)
            for who, step in self._steps:
                judge(step.validate, (jobspec,), f"{who}: validate")
        except ValueError as error:
            raise RefusedError(" ".join(str(error).split()) or "refused without a reason") from error


class Ingest:
    """Admits jobs of a trace to the queues of one configuration and one pool. `args` is the command line, for the hooks.

    `notes` counts what was passed over: a simulation starts jobs without waiting for their dependencies.
    """

    def __init__(
        self,
        config: Config,
        pool: ResourcePoolImplementation,
        plugins: Plugins | None = None,
        args: Namespace | None = None,
        notes: dict[str, int] | None = None,
    ) -> None:
        self._site = Site(config, plugins, "simulate", args)
        self._pool = pool
        self._seen = self._site.modifies or self._site.validates
        self._queues: dict[tuple[str | None, bool], tuple[QueueConfig, float, float] | str] = {}
        self._requests: dict[tuple[str, Hashable, bool], Any] = {}
        self._known: dict[tuple[str | None, Hashable, bool], tuple[QueueConfig, float, float, Any]] = {}
        self.notes: dict[str, int] = {} if notes is None else notes

    def admit(self, job: TraceJob) -> tuple[str, Any, int]:
        """The queue of a job of a trace, its request, with the duration that holds for it, and its width. Raises RefusedError.

        A jobspec is parsed and counted once a shape and queue, unless a plugin wants to see each. PluginError for one that fails.
        """
        from_log = type(job.jobspec) is not dict
        if not from_log and job.jobspec["attributes"].get("system", {}).get("dependencies"):  # type: ignore[index]
            self.notes["dependencies ignored"] = self.notes.get("dependencies ignored", 0) + 1
        if self._seen:
            return self._admit_each(job, from_log)
        key = (job.queue, job.shape, from_log)
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = self._know(job, from_log)
        queue, default, longest, request = known
        limit = job.limit or default
        if limit > longest or not limit:
            Site.check_duration(queue, limit)
        if isinstance(request, str):
            raise RefusedError(request)
        return queue.name, request.with_duration(limit), job.width

    def _know(self, job: TraceJob, from_log: bool) -> tuple[QueueConfig, float, float, Any]:
        """A job's queue, with its default and its longest duration, and the request of the job's shape there, or why there is none."""
        found = self._queues.get((job.queue, from_log))
        if found is None:
            found = self._queues[job.queue, from_log] = self._queue(job.queue, from_log)
        if isinstance(found, str):
            raise RefusedError(found)
        queue, default, longest = found
        key = (queue.name, job.shape, from_log)
        request = self._requests.get(key)
        if request is None:
            request = self._requests[key] = self._request(job, queue, from_log)
        return queue, default, longest, request

    def _queue(self, name: str | None, from_log: bool) -> tuple[QueueConfig, float, float] | str:
        """A queue with its default and its longest duration, or why there is none."""
        try:
            queue = self._site.queue(name, from_log=from_log)
        except RefusedError as refusal:
            return str(refusal)
        return queue, queue.policy.default_duration or 0.0, queue.policy.limits.duration

    def _request(self, job: TraceJob, queue: QueueConfig, from_log: bool) -> Any:
        """The request of a shape in a queue, or why there is none."""
        jobspec = job.jobspec() if callable(job.jobspec) else job.jobspec
        try:
            self._site.check_size(queue, jobspec["resources"], from_log=from_log)
            return self._parse(with_properties(jobspec, queue.properties) if queue.properties else jobspec)
        except RefusedError as refusal:
            return str(refusal)

    def _admit_each(self, job: TraceJob, from_log: bool) -> tuple[str, Any, int]:
        jobspec, queue = self._site.finish(job.jobspec() if callable(job.jobspec) else job.jobspec, from_log=from_log)
        request = self._parse(jobspec)
        width = max(1, _counted(jobspec["resources"])["ncores"][0]) if self._site.modifies else job.width
        return queue.name, request.with_duration(jobspec["attributes"]["system"].get("duration") or 0.0), width

    def _parse(self, jobspec: dict[str, Any]) -> Any:
        try:
            return self._pool.parse_resource_request(jobspec)
        except (ValueError, KeyError) as error:
            raise RefusedError(f"cannot be scheduled: {error}") from None


def count(resources: Sequence[dict[str, Any]]) -> dict[str, tuple[int, float]]:
    """The least and the most nodes, cores and GPUs that a valid resource section asks for, by the names in COUNTED; inf: no end.

    Counts multiply down the tree. Linear in its size. Raises ValueError where they cannot be told, or are beyond MAX_COUNT.
    """
    found: dict[str, tuple[int, float]] = dict.fromkeys(COUNTED.values(), (0, 0))
    todo: list[tuple[dict[str, Any], int, float]] = [(vertex, 1, 1) for vertex in resources]
    while todo:
        vertex, least, most = todo.pop()
        given = vertex["count"]
        if type(given) is int:
            least, most = least * given, most * given if given else 0
        else:
            from fluxplug.values.count import ResourceCount  # noqa: PLC0415 - most counts are numbers

            parsed = ResourceCount.from_count_spec(given)
            least, most = least * parsed.min, math.inf if parsed.max is None else most * parsed.max
        if least > MAX_COUNT or MAX_COUNT < most < math.inf:
            raise DocumentError("resources", f"asks for more than {MAX_COUNT} of {vertex['type'][:40]!r}")
        name = COUNTED.get(vertex["type"])
        if name is not None:
            found[name] = (found[name][0] + least, found[name][1] + most)
        todo += [(child, least, most) for child in vertex.get("with") or ()]
    return found


def _counted(resources: Sequence[dict[str, Any]]) -> dict[str, tuple[int, float]]:
    """As `count`; RefusedError where it raises ValueError."""
    try:
        return count(resources)
    except ValueError as error:
        raise RefusedError(f"cannot be scheduled: {error}") from None


def with_properties(jobspec: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    """A jobspec whose constraint also asks for these properties (RFC 33): the argument is left as it is.

    A top-level `properties` list gets the names that it lacks; any other constraint is joined by `and`.
    """
    attributes = jobspec.get("attributes") or {}
    system = dict(attributes.get("system") or {})
    old = system.get("constraints")
    if not old:
        new: dict[str, Any] = {"properties": list(names)}
    elif set(old) == {"properties"}:
        new = {"properties": [*old["properties"], *(name for name in names if name not in old["properties"])]}
    else:
        new = {"and": [old, {"properties": list(names)}]}
    system["constraints"] = new
    return {**jobspec, "attributes": {**attributes, "system": system}}


def without_properties(constraint: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    """What was there before `with_properties`; {} for nothing, and where everything was asked for twice."""
    parts = constraint.get("and")
    if parts is not None and parts[1:] == [{"properties": list(names)}]:
        return dict(parts[0])
    if set(constraint) == {"properties"}:
        left = [name for name in constraint["properties"] if name not in names]
        return {"properties": left} if left else {}
    return constraint


def _validate_submitted(registry: CLIPluginRegistry, jobspec: dict[str, Any]) -> None:
    """Ask submission plugins. Raises RefusedError for a refusal, CLIPluginError (a PluginError) for a plugin that fails."""
    from fluxplug.cli.plugin import CLIPluginError  # noqa: PLC0415
    from fluxplug.jobspec.model import Jobspec  # noqa: PLC0415
    from fluxplug.jobspec.v1 import JobspecV1  # noqa: PLC0415

    made = object.__new__(JobspecV1 if jobspec["version"] == 1 else Jobspec)
    made.jobspec = jobspec  # valid already: to make one anew would check it again
    try:
        registry.validate(made)
    except CLIPluginError as error:
        if isinstance(error.__cause__, ValueError):
            raise RefusedError(error.reason) from error
        raise


def _bounded(policy: JobPolicy) -> bool:
    """Whether a policy limits sizes at all: most do not, and their jobs need not be counted."""
    from fluxplug.config import JobSize  # noqa: PLC0415 - a plugin's module needs the contract alone

    return policy.limits.largest != JobSize() or policy.limits.smallest != JobSize()


def _for(queue: QueueConfig) -> str:
    return f" for queue {queue.name}" if queue.name else ""


def _to(queue: QueueConfig) -> str:
    return f" to queue {queue.name}" if queue.name else ""


def _account(userid: int) -> tuple[str, int | None]:
    """The name of a user and their primary group; the number for one whom the machine does not know, and None."""
    import pwd  # noqa: PLC0415 - few sites say who may submit

    try:
        found = pwd.getpwuid(userid)
    except (KeyError, OverflowError):
        return str(userid), None
    return found.pw_name, found.pw_gid


def _groups(name: str, gid: int | None) -> set[str]:
    """The groups of a user, by name and by number; none for an unknown one."""
    import grp  # noqa: PLC0415
    import os  # noqa: PLC0415

    found: set[str] = set()
    for number in () if gid is None else os.getgrouplist(name, gid):
        found.add(str(number))
        with contextlib.suppress(KeyError):
            found.add(grp.getgrgid(number).gr_name)
    return found
