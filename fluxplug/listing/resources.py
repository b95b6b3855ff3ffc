"""Listings of resources: from what a scheduler and a resource service report to the rows of `resource list`, `status` and `drain`.

`SchedResourceList` and `ResourceStatus` (`fluxplug.resource.list`) are the reports; `list_rows`, `status_rows` and `drain_rows` make rows of them for
an OutputFormat with the headings of this module. Which ranks are up or drained is decided elsewhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fluxplug.errors import FormatError
from fluxplug.listing.marks import COLOR_OFF, Mark, color_of
from fluxplug.resource.list import LIST_STATES, STATUS_STATES, checked_states
from fluxplug.resource.rset import ResourceSet
from fluxplug.values.idset import IDset

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from fluxplug.resource.list import DrainInfo, ResourceStatus, SchedResourceList


LIST_DEFAULT = ("free", "allocated", "down")
STATUS_DEFAULT = ("avail", "exclude", "draining", "drained", "torpid", "housekeeping")

LIST_HEADINGS = {
    "state": "STATE",
    "queue": "QUEUE",
    "properties": "PROPERTIES",
    "propertiesx": "PROPERTIES",
    "nnodes": "NNODES",
    "ncores": "NCORES",
    "ngpus": "NGPUS",
    "ranks": "RANKS",
    "nodelist": "NODELIST",
    "rlist": "LIST",
}
STATUS_HEADINGS = {
    "state": "STATE",
    "status": "STATUS",
    "up": "UP",
    "up.ascii": "UP",
    "color_up": "",
    "color_off": "",
    "nnodes": "NNODES",
    "ranks": "RANKS",
    "nodelist": "NODELIST",
    "reason": "REASON",
    "timestamp": "TIME",
}


class QueueProperties:
    """Which properties make a node serve which queue, from `[queues]` of a configuration (RFC 33), `{}` where there are no queues.

    A virtual queue has what its parent has. `hidden` queues are in no listing, but can be asked for.
    """

    def __init__(self, queues: Mapping[str, Any] | None = None, hidden: Iterable[str] = ()) -> None:
        queues = queues or {}
        self._hidden = frozenset(hidden)
        self._needs: dict[str, frozenset[str]] = {}
        for name, table in queues.items():
            owner = table.get("parent", name)
            source = queues.get(owner, table)
            self._needs[name] = frozenset([f"+{owner}"] if source.get("hosts") else source.get("requires", ()))

    def serving(self, properties: Iterable[str]) -> list[str]:
        """The queues that a node with these properties serves, in the order of the configuration."""
        has = frozenset(properties)
        return [name for name, needs in self._needs.items() if needs <= has and name not in self._hidden]

    def others(self, properties: Iterable[str]) -> list[str]:
        """Those of the properties that say nothing of queues."""
        named = frozenset(self._needs).union(*self._needs.values())
        return [name for name in properties if name not in named]

    def constraint(self, queues: Iterable[str]) -> dict[str, Any]:
        """The RFC 31 constraint for nodes that serve any of these queues. Raises FormatError for a queue that there is not."""
        terms = []
        for name in queues:
            if name not in self._needs:
                raise FormatError(f"'{name}' is not a valid queue")
            terms.append({"properties": sorted(self._needs[name])})
        return {"or": terms}


class ResourceRow:
    """A row of `resource list`: resources in a state that have the same properties. Raises nothing; counts are linear in the ranks."""

    __slots__ = ("properties", "propertiesx", "queue", "resources", "state")

    def __init__(self, state: str, resources: ResourceSet, names: Sequence[str], queues: QueueProperties) -> None:
        self.state = state
        self.resources = resources
        self.properties = ",".join(names)
        self.propertiesx = ",".join(queues.others(names))
        self.queue = ",".join(queues.serving(names)) if resources.nnodes else ""

    @property
    def nnodes(self) -> int:
        """The number of ranks."""
        return self.resources.nnodes

    @property
    def ncores(self) -> int:
        """The number of cores."""
        return self.resources.ncores

    @property
    def ngpus(self) -> int:
        """The number of GPUs."""
        return self.resources.ngpus

    @property
    def ranks(self) -> str:
        """The ranks, an idset."""
        return self.resources.ranks.encode()

    @property
    def nodelist(self) -> str:
        """The hosts, a hostlist; "" where R names none."""
        return self.resources.nodelist.encode()

    @property
    def rlist(self) -> str:
        """The short text of R."""
        return self.resources.rlist


def list_rows(
    report: SchedResourceList,
    states: Iterable[str] = LIST_DEFAULT,
    queues: QueueProperties | None = None,
    fields: Iterable[str] | None = None,
    skip_empty: bool = False,
) -> list[ResourceRow]:
    """The rows of `resource list`: state by state as given, and in a state a row for each set of properties, by lowest rank.

    `fields`, those of the format, makes one row of what would look alike but for its resources. A state without resources is one row of
    zeros, or none with `skip_empty`. Raises FormatError for a state that there is not.
    """
    queues = queues or QueueProperties()
    rows = []
    for state in checked_states(states, LIST_STATES):
        resources = report[state]
        # The properties are those of `all`: a scheduler may report the rest without.
        groups = _by_properties(resources.ranks, report.all.impl.property_ranks)
        if fields is not None:
            groups = _merged(groups, queues, frozenset(fields))
        found = [ResourceRow(state, resources.copy_ranks(ranks), names, queues) for ranks, names in groups]
        rows += found or ([] if skip_empty else [ResourceRow(state, ResourceSet(), (), queues)])
    return rows


def info_line(resources: ResourceSet) -> str:
    """What `resource info` prints: `2 Nodes, 4 Cores, 0 GPUs`."""
    counts = ((resources.nnodes, "Node"), (resources.ncores, "Core"), (resources.ngpus, "GPU"))
    return ", ".join(f"{count} {noun}{'' if count == 1 else 's'}" for count, noun in counts)


Group = tuple[IDset, tuple[str, ...]]


def _by_properties(ranks: IDset, properties: Mapping[str, IDset]) -> list[Group]:
    """The ranks in groups of the same properties, by lowest rank."""
    groups: list[Group] = [(ranks, ())] if ranks else []
    for name, having in properties.items():
        split = []
        for group, names in groups:
            split += [(group & having, (*names, name)), (group - having, names)]
        groups = [(group, names) for group, names in split if group]
    return sorted(groups, key=lambda one: one[0].first())


def _merged(groups: list[Group], queues: QueueProperties, fields: frozenset[str]) -> list[Group]:
    found: dict[tuple[Any, ...], Group] = {}
    for ranks, names in groups:
        look = (
            "queue" in fields and tuple(queues.serving(names)),
            "properties" in fields and names,
            "propertiesx" in fields and tuple(queues.others(names)),
        )
        known = found.get(look)
        found[look] = (ranks, names) if known is None else (known[0] | ranks, known[1])
    return list(found.values())


class StatusRow:
    """A row of `resource status` or `resource drain`. `color` puts the up column between terminal codes."""

    __slots__ = ("color", "nodelist", "online", "ranks", "reason", "state", "timestamp")

    def __init__(
        self,
        status: ResourceStatus,
        state: str,
        ranks: IDset,
        *,
        online: bool,
        info: DrainInfo | None,
        color: bool,
        reason: str = "",
    ) -> None:
        self.state = state
        self.ranks = ranks
        self.online = online
        self.nodelist = status.resources.copy_ranks(ranks).nodelist.encode()
        self.reason = info.reason if info else reason
        self.timestamp = info.timestamp if info else 0.0
        self.color = color

    @property
    def nnodes(self) -> int:
        """The number of ranks."""
        return self.ranks.count()

    @property
    def status(self) -> str:
        """`online` or `offline`."""
        return "online" if self.online else "offline"

    @property
    def up(self) -> Mark:
        """✔ or ✗; `up.ascii` is y or n."""
        return Mark.yes_or_no(self.online)

    @property
    def color_up(self) -> str:
        """The code that begins the color of `up`."""
        return color_of(self.up) if self.color else ""

    @property
    def color_off(self) -> str:
        """The code that ends a color."""
        return COLOR_OFF if self.color else ""


def status_rows(
    status: ResourceStatus,
    states: Iterable[str] | None = None,
    fields: Iterable[str] = (),
    skip_empty: bool | None = None,
    color: bool = False,
) -> list[StatusRow]:
    """The rows of `resource status`, in a fixed order of states; offline ranks of a state have a row of their own.

    `fields` are those of the format: drained ranks are parted by reason and time where it shows them, offline ones by reason, and marked with `*`
    where it has no `up`. A state without ranks has a row of zeros if states were asked for, unless `skip_empty` says. Raises FormatError for a
    state that there is not.
    """
    shown = frozenset(field.partition(".")[0] for field in fields)
    skip_empty = states is None if skip_empty is None else skip_empty
    known = (*STATUS_STATES, "all", "drain")
    wanted = set(STATUS_DEFAULT if states is None else checked_states(states, known))
    if "drain" in wanted:
        wanted |= {"draining", "drained"}
    if "all" in wanted:
        wanted |= set(STATUS_STATES)
    rows: list[StatusRow] = []
    for state in STATUS_STATES:
        if state not in wanted:
            continue
        ranks = status[state] - status.drain if state == "torpid" else status[state]
        found = []
        for part, info in _parted(status, ranks, shown) if state in ("draining", "drained") else [(ranks, None)]:
            for online, group in ((True, part - status.offline), (False, part & status.offline)):
                marked = not online and "up" not in shown and state != "offline"
                reasons = [(group, "")] if online or info or "reason" not in shown else _by_reason(status, group)
                for some, reason in reasons:
                    if some:
                        row = StatusRow(
                            status, state + "*" * marked, some, online=online, info=info, color=color, reason=reason
                        )
                        found.append(row)
        if state in ("draining", "drained"):
            found.sort(key=lambda row: row.ranks.first())
        rows += found or (
            [] if skip_empty else [StatusRow(status, state, IDset(), online=True, info=None, color=color)]
        )
    return rows


def drain_rows(status: ResourceStatus, color: bool = False) -> list[StatusRow]:
    """The rows of `resource drain`: what was drained, by lowest rank, what is still at work apart from what is not."""
    rows = []
    for info in status.drain_info:
        for state in ("draining", "drained"):
            ranks = info.ranks & status[state]
            if ranks:
                rows.append(StatusRow(status, state, ranks, online=not ranks & status.offline, info=info, color=color))
    return sorted(rows, key=lambda row: row.ranks.first())


def _by_reason(status: ResourceStatus, offline: IDset) -> list[tuple[IDset, str]]:
    """Offline ranks, apart where the reasons differ."""
    known = [(ids & offline, reason) for ids, reason in status.offline_info]
    rest = offline - IDset().union(*(ids for ids, _ in known))
    return sorted([(ids, reason) for ids, reason in (*known, (rest, "")) if ids], key=lambda one: one[0].first())


def _parted(status: ResourceStatus, ranks: IDset, shown: frozenset[str]) -> list[tuple[IDset, DrainInfo | None]]:
    """Drained ranks, apart where their times or reasons differ and are shown."""
    found: dict[tuple[Any, ...], tuple[IDset, DrainInfo]] = {}
    for info in status.drain_info:
        look = ("reason" in shown and info.reason, "timestamp" in shown and info.timestamp)
        known = found.get(look)
        found[look] = (info.ranks & ranks, info) if known is None else (known[0] | info.ranks & ranks, known[1])
    return list(found.values())
