"""From a jobspec to a request that the engine can queue: the steps that a user cannot skip.

In order (RFC 33): the hooks that modify, the site's defaults, the queue's constraint, validation by hooks, the pool's parse. The simulator calls it
for every job of a trace. Not here: how a command line becomes a jobspec.
"""

from __future__ import annotations

import copy
from argparse import Namespace
from typing import TYPE_CHECKING, Any

from fluxplug.errors import FluxplugError

if TYPE_CHECKING:
    from collections.abc import Hashable

    from fluxplug.config import Config, QueueConfig
    from fluxplug.plugins import Plugins
    from fluxplug.resource.pool import ResourcePoolImplementation
    from fluxplug.sim.trace import TraceJob


class RefusedError(FluxplugError):
    """A job that must not be queued; the text is for its user."""


class Ingest:
    """Admits jobs to the queues of one configuration and one pool. `args` is the command line, for the hooks.

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
        self._args = args if args is not None else Namespace()
        self._pool = pool
        self._plugins = plugins
        self._queues = {queue.name: queue for queue in config.all_queues}
        self._default = config.policy.default_queue or (next(iter(self._queues)) if len(self._queues) == 1 else None)
        self._hooked = plugins is not None and (plugins.wants("modify_jobspec") or plugins.wants("validate_jobspec"))
        self._requests: dict[tuple[str, Hashable], Any] = {}
        self.notes: dict[str, int] = {} if notes is None else notes

    def admit(self, job: TraceJob) -> tuple[str, Any]:
        """The queue of a job of a trace, and its request. Raises RefusedError.

        A jobspec is parsed once a shape and queue, unless a plugin wants to see each.
        """
        queue = self._queue(job.queue)
        if type(job.jobspec) is dict and job.jobspec["attributes"].get("system", {}).get("dependencies"):
            self.notes["dependencies ignored"] = self.notes.get("dependencies ignored", 0) + 1
        limit = job.limit or queue.policy.default_duration or 0.0
        if self._hooked:
            return queue.name, self._request(self._jobspec(job), queue).with_duration(limit)
        key = (queue.name, job.shape)
        request = self._requests.get(key)
        if request is None:
            request = self._requests[key] = self._request(self._jobspec(job), queue)
        return queue.name, request.with_duration(limit)

    def _queue(self, name: str | None) -> QueueConfig:
        """A queue that a log names and the configuration has not is the log's own business: the default serves its jobs."""
        found = self._queues.get(name) if name is not None else None
        if found is None and self._default is not None:
            found = self._queues[self._default]
        if found is None:
            known = ", ".join(self._queues)
            told = f"queue {name!r} is not configured" if name is not None else "no queue specified"
            raise RefusedError(
                f"{told} and there is no default queue ([policy.jobspec.defaults.system] queue); there are: {known}"
            )
        return found

    @staticmethod
    def _jobspec(job: TraceJob) -> dict[str, Any]:
        return job.jobspec() if callable(job.jobspec) else job.jobspec

    def _request(self, jobspec: dict[str, Any], queue: QueueConfig) -> Any:
        if self._plugins is not None and self._hooked:
            jobspec = copy.deepcopy(jobspec)
            self._plugins.modify_jobspec("simulate", self._args, jobspec)
        if queue.properties:
            jobspec = with_properties(jobspec, queue.properties)
        try:
            if self._plugins is not None and self._hooked:
                self._plugins.validate_jobspec(jobspec)
            return self._pool.parse_resource_request(jobspec)
        except (ValueError, KeyError) as error:
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
