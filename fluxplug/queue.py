"""Queues of a live instance through the Python API: the names of Flux's `flux.queue`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from fluxplug.handle import Flux

_INF = float("inf")


class Counts:
    """Numbers of nodes, cores and GPUs."""

    def __init__(self, document: Mapping[str, Any] | None, default: float) -> None:
        found = document or {}
        self.nnodes, self.ncores, self.ngpus = (
            default if found.get(name) is None else found[name] for name in ("nnodes", "ncores", "ngpus")
        )

    def __repr__(self) -> str:
        return f"Counts(nnodes={self.nnodes}, ncores={self.ncores}, ngpus={self.ngpus})"


class Defaults:
    """What a job gets that says nothing: `duration` in seconds (0: none), also as `timelimit`."""

    def __init__(self, document: Mapping[str, Any] | None) -> None:
        self.duration = self.timelimit = float((document or {}).get("duration") or 0.0)


class Limits:
    """What a job may ask for: `duration` in seconds, also as `timelimit`, and Counts `min` and `max`; inf where there is no limit."""

    def __init__(self, document: Mapping[str, Any] | None) -> None:
        found = document or {}
        duration = found.get("duration")
        self.duration = self.timelimit = _INF if duration is None else float(duration)
        self.min = Counts(found.get("min"), 0)
        self.max = Counts(found.get("max"), _INF)


class Resources:
    """Counts of what a queue's jobs can run on: `all`, `up`, `down`, `allocated`, `free`."""

    def __init__(self, document: Mapping[str, Any] | None) -> None:
        found = document or {}
        self.all, self.up, self.down, self.allocated, self.free = (
            Counts(found.get(state), 0) for state in ("all", "up", "down", "allocated", "free")
        )


class QueueInfo:
    """A queue: `name` ("" for the anonymous one), `is_default`, `enabled` (jobs can be submitted), `started` (jobs are scheduled), ...

    `parent` is the name of a virtual queue's parent, `blocked` what else keeps its jobs from being scheduled; "" for none.
    """

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.name: str = document.get("name") or ""
        self.is_default = bool(document.get("is_default"))
        self.enabled = bool(document.get("enabled"))
        self.started = bool(document.get("started"))
        self.disable_reason: str = document.get("disable_reason") or ""
        self.stop_reason: str = document.get("stop_reason") or ""
        self.parent: str = document.get("parent") or ""
        self.blocked: str = document.get("blocked") or ""
        self.requires: list[str] = list(document.get("requires") or ())
        self.pending = int(document.get("pending") or 0)
        self.running = int(document.get("running") or 0)
        self.defaults = Defaults(document.get("defaults"))
        self.limits = Limits(document.get("limits"))
        self.resources = Resources(document.get("resources"))

    def __repr__(self) -> str:
        return f"QueueInfo({self.name!r})"


class QueueList:
    """The queues of an instance, all or those named, in its order: iterate, or index by name.

    Raises ValueError for a name that no queue has, OSError where the instance cannot be asked.
    """

    def __init__(self, flux_handle: Flux, queues: Iterable[str] | None = None) -> None:
        found = [QueueInfo(one) for one in flux_handle.client.get("/v1/queues")["queues"]]
        self._queues = {one.name: one for one in found}
        if queues is not None:
            wanted = [queues] if isinstance(queues, str) else list(queues)
            self._queues = {name: self[name] for name in wanted}

    def __iter__(self) -> Iterator[QueueInfo]:
        return iter(self._queues.values())

    def __len__(self) -> int:
        return len(self._queues)

    def __getitem__(self, name: str) -> QueueInfo:
        if name not in self._queues:
            raise ValueError(f"No such queue: {name}")
        return self._queues[name]
