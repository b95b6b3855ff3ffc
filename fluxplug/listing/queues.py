"""Listings of queues: from configuration (RFC 33), the state of each queue and what the machine has, to values and to the rows of `queue list`.

`QueueInfo` has Flux's names and plain values, `QueueRow` the texts of a table. Whether a job may enter a queue is decided elsewhere.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from fluxplug.listing.marks import COLOR_OFF, NO, PAUSED, YES, Mark, color_of
from fluxplug.values.duration import parse_fsd

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fluxplug.resource.list import SchedResourceList

UNITS = ("nnodes", "ncores", "ngpus")
RESOURCE_STATES = ("all", "up", "down", "allocated", "free")

QUEUE_HEADINGS = {
    "queue": "QUEUE",
    "queuem": "QUEUE",
    "parent": "PARENT",
    "submission": "SUBMIT",
    "scheduling": "SCHED",
    "enabled": "EN",
    "enabled.ascii": "EN",
    "started": "ST",
    "started.ascii": "ST",
    "color_enabled": "",
    "color_started": "",
    "color_off": "",
    "defaults.timelimit": "TDEFAULT",
    "limits.timelimit": "TLIMIT",
    **{f"limits.range.{unit}": unit.upper() for unit in UNITS},
    **{f"limits.range.effective.{unit}": unit.upper() for unit in UNITS},
    **{f"limits.{bound}.{unit}": (bound + unit).upper() for bound in ("min", "max") for unit in UNITS},
    **{f"resources.{state}.{unit}": unit.upper() for state in RESOURCE_STATES for unit in UNITS},
}
# Columns of one unit by state say which state.
QUEUE_HEADINGS |= {
    f"resources.{state}.{unit}": title
    for state, title in (("up", "UP"), ("down", "DOWN"), ("allocated", "USED"), ("free", "FREE"))
    for unit in UNITS
}


class Counts:
    """Numbers of nodes, cores and GPUs; whatever a number is here (a bound, a text, infinity)."""

    __slots__ = UNITS

    def __init__(self, nnodes: Any, ncores: Any, ngpus: Any) -> None:
        self.nnodes, self.ncores, self.ngpus = nnodes, ncores, ngpus


class Duration:
    """A duration in seconds, under the two names that it has; infinity for none."""

    __slots__ = ("duration",)

    def __init__(self, duration: float) -> None:
        self.duration = duration

    @property
    def timelimit(self) -> float:
        """The duration."""
        return self.duration


class Ranges(Counts):
    """`MIN-MAX` texts of what a job may ask for; in `effective`, MAX is no more than the queue owns."""

    __slots__ = ("effective",)

    def __init__(self, smallest: Counts, largest: Counts, owned: Counts | None) -> None:
        pairs = [(getattr(smallest, unit), getattr(largest, unit)) for unit in UNITS]
        super().__init__(*(f"{low}-{high}" for low, high in pairs))
        caps = [math.inf if owned is None else getattr(owned, unit) for unit in UNITS]
        self.effective = Counts(*(f"{low}-{min(high, cap)}" for (low, high), cap in zip(pairs, caps, strict=True)))


class Limits(Duration):
    """What a job in a queue may ask for: `min` (0: no bound), `max` (infinity: none), `range`, and `duration`."""

    __slots__ = ("max", "min", "range")

    def __init__(self, duration: float, smallest: Counts, largest: Counts, owned: Counts | None) -> None:
        super().__init__(duration)
        self.min, self.max = smallest, largest
        self.range = Ranges(smallest, largest, owned)


class Owned:
    """What a queue has in each state."""

    __slots__ = RESOURCE_STATES

    def __init__(self, **states: Counts) -> None:
        for state in RESOURCE_STATES:
            setattr(self, state, states.get(state) or Counts("", "", ""))


class QueueInfo:
    """A queue: `name` ("" for the anonymous one), `is_default`, `enabled`, `started`, `parent`, `blocked`, `defaults`, `limits`, `resources`.

    `status` is RFC 33's object: `enable`, `start`, and perhaps `blocked` and `parent`.
    """

    def __init__(
        self,
        name: str,
        policy: Mapping[str, Any],
        status: Mapping[str, Any],
        *,
        parent: str = "",
        is_default: bool = False,
        resources: SchedResourceList | None = None,
    ) -> None:
        self.name = name
        self.is_default = is_default
        self.enabled = bool(status.get("enable", True))
        self.started = bool(status.get("start", True))
        self.blocked: str = status.get("blocked", "")
        self.parent: str = status.get("parent") or parent
        states = {state: _counts(resources[state]) for state in RESOURCE_STATES} if resources else {}
        self.resources = Owned(**states)
        size = _get(policy, "limits", "job-size") or {}
        self.defaults = Duration(_seconds(_get(policy, "jobspec", "defaults", "system", "duration")))
        self.limits = Limits(
            _seconds(_get(policy, "limits", "duration")),
            _bounds(size.get("min"), 0),
            _bounds(size.get("max"), math.inf),
            states.get("all"),
        )


class QueueRow:
    """A queue as a row of a table. `color` puts the marks between terminal codes."""

    __slots__ = ("color", "info")

    def __init__(self, info: QueueInfo, color: bool = False) -> None:
        self.info = info
        self.color = color

    def __getattr__(self, name: str) -> Any:  # defaults, limits, resources, parent
        if name.startswith("_") or name == "info":
            raise AttributeError(name)
        return getattr(self.info, name)

    @property
    def queue(self) -> str:
        """The name."""
        return self.info.name

    @property
    def queuem(self) -> str:
        """The name, with `*` after that of the default queue."""
        return self.info.name + "*" * self.info.is_default

    @property
    def submission(self) -> str:
        """`enabled` or `disabled`."""
        return "enabled" if self.info.enabled else "disabled"

    @property
    def scheduling(self) -> str:
        """`started` or `stopped`."""
        return "started" if self.info.started else "stopped"

    @property
    def enabled(self) -> Mark:
        """✔ or ✗."""
        return YES if self.info.enabled else NO

    @property
    def started(self) -> Mark:
        """✔, ✗, or ⏸ where the parent is stopped."""
        return YES if self.info.started else PAUSED if self.info.blocked == "parent" else NO

    @property
    def color_enabled(self) -> str:
        """The code that begins the color of `enabled`."""
        return color_of(self.enabled) if self.color else ""

    @property
    def color_started(self) -> str:
        """The code that begins the color of `started`."""
        return color_of(self.started) if self.color else ""

    @property
    def color_off(self) -> str:
        """The code that ends a color."""
        return COLOR_OFF if self.color else ""


def queue_infos(
    config: Mapping[str, Any],
    status: Mapping[str, Mapping[str, Any]],
    resources: SchedResourceList | None = None,
) -> list[QueueInfo]:
    """The queues of a configuration with the tables `queues` and `policy` (RFC 33), in its order; without queues the anonymous one.

    `status` has each queue's state by its name, "" for the anonymous one. A virtual queue has what its parent has, key by key.
    Raises ParseError for a duration that is none, FormatError for a parent that there is not.
    """
    from fluxplug.listing.resources import QueueProperties  # noqa: PLC0415 - it brings R along, which jobs do without

    queues, policy = config.get("queues") or {}, config.get("policy") or {}
    if not queues:
        return [QueueInfo("", policy, status.get("", {}), resources=resources)]
    needs = QueueProperties(queues)
    default = _get(policy, "jobspec", "defaults", "system", "queue")
    infos = []
    for name, table in queues.items():
        parent = table.get("parent", "")
        own = _over(policy, queues.get(parent, {}).get("policy") or {})
        owned = resources and resources.copy_constraint(needs.constraint([name]))
        infos.append(
            QueueInfo(
                name,
                _over(own, table.get("policy") or {}),
                status.get(name, {}),
                parent=parent,
                is_default=name == default,
                resources=owned,
            )
        )
    return infos


def _over(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    both = dict(old)
    for key, value in new.items():
        known = both.get(key)
        both[key] = _over(known, value) if isinstance(known, dict) and isinstance(value, dict) else value
    return both


def _get(table: Any, *keys: str) -> Any:
    for key in keys:
        table = table.get(key) if isinstance(table, dict) else None
    return table


def _seconds(value: Any) -> float:
    """Seconds from a configuration; 0 and nothing are no bound."""
    seconds = parse_fsd(value) if isinstance(value, str) else float(value or 0)
    return seconds or math.inf


def _bounds(table: Any, unset: float) -> Counts:
    found = [(table or {}).get(unit, -1) for unit in UNITS]
    return Counts(*(unset if bound is None or bound < 0 else bound for bound in found))


def _counts(resources: Any) -> Counts:
    return Counts(resources.nnodes, resources.ncores, resources.ngpus)
