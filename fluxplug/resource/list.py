"""Resources of a live instance through the Python API: `resource_list`, what a scheduler sees, and `resource_status`, what an administrator does.

Both take a handle (`fluxplug.handle.Flux`) and return a future.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from fluxplug.resource.rset import ResourceSet
from fluxplug.values.hostlist import Hostlist
from fluxplug.values.idset import IDset

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fluxplug.values.hostlist import HostlistLike
    from fluxplug.values.idset import IDsetLike

_STATES = ("all", "online", "offline", "exclude", "torpid", "allocated", "housekeeping")


class SchedResourceList:
    """Resource sets by state: `all`, `down`, `allocated`, and what follows, `up` and `free`; also by index, `found["free"]`.

    `up` is all but `down`; `free` is `up` but `allocated`. Raises KeyError for any other state.
    """

    def __init__(self, sets: Mapping[str, Any]) -> None:
        self.all = ResourceSet(sets["all"])
        self.down = ResourceSet(sets["down"])
        self.allocated = ResourceSet(sets["allocated"])

    @property
    def up(self) -> ResourceSet:
        """What is not down."""
        return self.all.diff(self.down)

    @property
    def free(self) -> ResourceSet:
        """What is up and not allocated."""
        return self.up.diff(self.allocated)

    def __getitem__(self, state: str) -> ResourceSet:
        if state not in {"all", "down", "allocated", "up", "free"}:
            raise KeyError(state)
        found: ResourceSet = getattr(self, state)
        return found

    def filter(self, include: IDsetLike | HostlistLike) -> SchedResourceList:
        """Keep only the given ranks (an idset) or hosts. Returns itself. Raises FileNotFoundError for hosts that are not there."""
        ranks = _ranks(include, self.all.nodelist, list(self.all.ranks))
        for state in ("all", "down", "allocated"):
            setattr(self, state, self[state].copy_ranks(ranks))
        return self

    def copy_constraint(self, constraint: Mapping[str, Any] | str) -> SchedResourceList:
        """A copy with what meets an RFC 31 constraint."""
        states = ("all", "down", "allocated")
        return SchedResourceList({state: self[state].copy_constraint(constraint) for state in states})


class DrainInfo(NamedTuple):
    """Ranks that were drained together: since when (seconds since 1970), and why."""

    ranks: IDset
    timestamp: float
    reason: str


class ResourceStatus:
    """Ranks by state, as IDsets: all, online, offline, exclude, torpid, allocated, housekeeping, drained, draining, avail.

    `draining` are drained ones that are allocated still; `avail` is all but exclude, drained, draining and torpid. Also by index,
    `found["drained"]`. `nodelist` has the hosts of all ranks, `drain_info` a DrainInfo for each reason.
    """

    def __init__(self, document: Mapping[str, Any]) -> None:
        whole = ResourceSet(document["R"])
        self.rset = whole
        self.all = whole.ranks
        self.nodelist = whole.nodelist
        self.online = IDset(document.get("online", ""))
        self.offline = IDset(document.get("offline", ""))
        self.exclude = IDset(document.get("exclude", ""))
        self.torpid = IDset(document.get("torpid", ""))
        self.allocated = IDset(document.get("allocated", ""))
        self.housekeeping = IDset(document.get("housekeeping", ""))
        self.drain_info = [
            DrainInfo(IDset(ranks), float(one.get("timestamp") or 0.0), str(one.get("reason") or ""))
            for ranks, one in (document.get("drain") or {}).items()
        ]
        self._derive()

    def _derive(self) -> None:
        drain = IDset().union(*(info.ranks for info in self.drain_info))
        self.draining = drain & self.allocated
        self.drained = drain - self.draining
        self.avail = self.all.difference(self.exclude, drain, self.torpid)

    def __getitem__(self, state: str) -> IDset:
        if state not in {*_STATES, "drained", "draining", "avail"}:
            raise KeyError(state)
        found: IDset = getattr(self, state)
        return found

    def get_idset(self, *states: str) -> IDset:
        """The ranks in any of the states. Raises KeyError for an unknown one."""
        return IDset().union(*(self[state] for state in states))

    def get_drain_info(self, rank: int) -> DrainInfo | None:
        """Why a rank is drained; None where it is not."""
        return next((info for info in self.drain_info if rank in info.ranks), None)

    def filter(self, include: IDsetLike | HostlistLike) -> ResourceStatus:
        """Keep only the given ranks (an idset) or hosts. Returns itself. Raises FileNotFoundError for hosts that are not there."""
        ranks = _ranks(include, self.nodelist, list(self.all))
        self.rset = self.rset.copy_ranks(ranks)
        self.nodelist = self.rset.nodelist
        for state in _STATES:
            setattr(self, state, self[state] & ranks)
        self.drain_info = [info._replace(ranks=info.ranks & ranks) for info in self.drain_info if info.ranks & ranks]
        self._derive()
        return self


def resource_list(flux_handle: Any) -> Any:
    """The future of a SchedResourceList. Its `get` raises OSError where the instance cannot be asked."""
    return flux_handle.future(lambda: SchedResourceList(flux_handle.client.get("/v1/resources")))


def resource_status(flux_handle: Any) -> Any:
    """The future of a ResourceStatus. Its `get` raises OSError where the instance cannot be asked."""
    return flux_handle.future(lambda: ResourceStatus(flux_handle.client.get("/v1/resources/status")))


def _ranks(include: Any, nodelist: Hostlist, ranks: list[int]) -> IDset:
    """The ranks that an idset, or the names of hosts, choose."""
    if isinstance(include, IDset):
        return include
    try:
        return IDset(include)
    except (ValueError, TypeError):
        return IDset(ranks[at] for at in nodelist.index(Hostlist(include)))
