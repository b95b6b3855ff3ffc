"""The queues of an instance as its users see them: enabled or not, started or not, with limits and resources (RFC 33)."""

from __future__ import annotations

import errno
import math
from typing import TYPE_CHECKING, Any

from attrs import define

from fluxplug.errors import FluxplugError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from fluxplug.config import QueueConfig
    from fluxplug.resource.rset import Rv1Set

COUNTS = ("nnodes", "ncores", "ngpus")


class QueueError(FluxplugError, OSError):
    """A queue that does not exist, or cannot be treated so."""


@define
class LiveQueue:
    """One queue and what administrators have said of it."""

    config: QueueConfig
    disabled: str | None = None
    stopped: str | None = None


class Queues:
    """By name, in the order of the configuration; the anonymous queue has the empty name."""

    def __init__(self, configs: Iterable[QueueConfig], default: str | None) -> None:
        self.all = {config.name: LiveQueue(config) for config in configs}
        self.default = default

    def chosen(self, name: str | None, *, everyone: bool) -> list[LiveQueue]:
        """The queues that an order is for. Raises QueueError."""
        if name is None:
            if len(self.all) > 1 and not everyone:
                raise QueueError(errno.EINVAL, "Use --all to apply this command to all queues")
            return list(self.all.values())
        if not name or name not in self.all:
            raise QueueError(errno.EINVAL, f"'{name[:80]}' is not a valid queue")
        return [self.all[name]]

    def check_open(self, name: str) -> None:
        """Raise QueueError where a queue takes no jobs."""
        queue = self.all[name]
        if queue.disabled is not None:
            where = f"job submission to {name}" if name else "job submission"
            raise QueueError(errno.EINVAL, f"{where} is disabled: {queue.disabled}")

    def started(self, name: str) -> bool:
        """Whether a queue's jobs may start: it is started, and so is its parent."""
        queue = self.all[name]
        parent = queue.config.parent
        return queue.stopped is None and (not parent or self.all[parent].stopped is None)

    def describe(self, queue: LiveQueue, sets: Mapping[str, Rv1Set], waiting: int, running: int) -> dict[str, Any]:
        """One queue, for listings. `sets` has the whole machine's `all`, `up`, `down`, `allocated` and `free`."""
        config, policy = queue.config, queue.config.policy
        name, parent = config.name, config.parent
        blocked = queue.stopped is None and not self.started(name)
        found: dict[str, Any] = {
            "name": name,
            "is_default": bool(name) and name == self.default,
            "enabled": queue.disabled is None,
            "started": self.started(name),
            "queue_policy": config.queue_policy,
            "requires": list(config.requires),
            "defaults": {} if policy.default_duration is None else {"duration": policy.default_duration},
            "limits": {
                "duration": None if policy.limits.duration == math.inf else policy.limits.duration,
                "min": {key: getattr(policy.limits.smallest, key) for key in COUNTS},
                "max": {key: getattr(policy.limits.largest, key) for key in COUNTS},
            },
            "resources": {},
            "pending": waiting,
            "running": running,
        }
        if queue.disabled is not None:
            found["disable_reason"] = queue.disabled
        if queue.stopped is not None:
            found["stop_reason"] = queue.stopped
        if parent:
            found["parent"] = parent
        if blocked:
            found["blocked"] = "parent"
        properties = config.properties
        for state, whole in sets.items():
            part = whole.copy_constraint({"properties": list(properties)}) if properties else whole
            found["resources"][state] = {key: getattr(part, key) for key in COUNTS}
        return found

    def kept(self) -> dict[str, Any]:
        """What survives a restart, as a document."""
        return {name: [queue.disabled, queue.stopped] for name, queue in self.all.items()}

    def restore(self, document: Mapping[str, Any]) -> None:
        """Take over what `kept` gave, for the queues that there still are."""
        for name, (disabled, stopped) in document.items():
            if name in self.all:
                self.all[name].disabled, self.all[name].stopped = disabled, stopped
