"""What an instance reports of its resources, with Flux's names: what a scheduler sees, and what an administrator does.

`resource_list` and `resource_status` ask for it through a handle (`fluxplug.handle.Flux`), and return a future. Not here: rows of listings
(`fluxplug.listing.resources`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from fluxplug.errors import FormatError, ParseError
from fluxplug.resource.rset import ResourceSet
from fluxplug.values.idset import IDset

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from fluxplug.resource.rset import RLike
    from fluxplug.values.hostlist import Hostlist
    from fluxplug.values.idset import IDsetLike

LIST_STATES = ("up", "down", "allocated", "free", "all")
# In the order in which they are printed.
STATUS_STATES = (
    *("avail", "exclude", "allocated", "torpid", "housekeeping", "draining", "drained", "online", "offline"),
)


class SchedResourceList:
    """What a scheduler has: the sets `all`, `down` and `allocated` as reported, `up` (all but down), `free` (up but not allocated).

    `payload` has R documents under these three names; null or no `down` and `allocated` are empty. Raises DocumentError for what is no R.
    """

    def __init__(self, payload: Mapping[str, Any]) -> None:
        self.all, self.down, self.allocated = (ResourceSet(payload.get(key)) for key in ("all", "down", "allocated"))

    @property
    def up(self) -> ResourceSet:
        """What is not down."""
        return self.all - self.down

    @property
    def free(self) -> ResourceSet:
        """What is up and not allocated."""
        return self.up - self.allocated

    def __getitem__(self, state: str) -> ResourceSet:
        if state not in LIST_STATES:
            raise KeyError(state)
        found: ResourceSet = getattr(self, state)
        return found

    def filter(self, include: IDsetLike) -> SchedResourceList:
        """The same for some ranks alone, or for the ranks of some hosts. Raises FileNotFoundError for a host that is not here."""
        ranks = ranks_of(include, self.all)
        return self._with(lambda one: one.copy_ranks(ranks))

    def copy_constraint(self, constraint: Mapping[str, Any] | str) -> SchedResourceList:
        """The same for the ranks that satisfy an RFC 31 constraint, by what `all` says of them. Raises DocumentError, ParseError."""
        ranks = self.all.copy_constraint(constraint).ranks
        return self._with(lambda one: one.copy_ranks(ranks))

    def select(self, states: Iterable[str]) -> ResourceSet:
        """What is in any of the states. Raises FormatError for a state that there is not."""
        wanted = checked_states(states, LIST_STATES)
        if "all" in wanted:
            return self.all
        ranks = IDset().union(*(self[state].ranks for state in wanted))
        found = ResourceSet()
        found.append(*(self[state] for state in wanted))
        found.impl.property_ranks = self.all.copy_ranks(ranks).impl.property_ranks
        return found

    def _with(self, change: Callable[[ResourceSet], ResourceSet]) -> SchedResourceList:
        new = SchedResourceList({})
        new.all, new.down, new.allocated = change(self.all), change(self.down), change(self.allocated)
        return new


class DrainInfo(NamedTuple):
    """Ranks that were drained together: when, in seconds since 1970, and why."""

    ranks: IDset
    timestamp: float
    reason: str


class ResourceStatus:
    """How the ranks of an instance are. Each state is an IDset; `drain_info` has what was drained, by lowest rank, `offline_info` why ranks are offline.

    `payload` is a report of the resource service: `R`, `online`, `offline`, `exclude`, `torpid`, `drain` (idset to timestamp and reason), and
    perhaps `offline_reasons` (idset to reason); `allocated` and `housekeeping` are ranks. Raises DocumentError and ParseError for what breaks its format.
    """

    def __init__(self, payload: Mapping[str, Any], allocated: IDsetLike = "", housekeeping: IDsetLike = "") -> None:
        self.resources = ResourceSet(payload.get("R"))
        self.all = self.resources.ranks
        self.online, self.offline, self.exclude, self.torpid = (
            IDset(payload.get(key) or "") for key in ("online", "offline", "exclude", "torpid")
        )
        self.allocated = IDset(payload.get("allocated") or "") | IDset(allocated)
        self.housekeeping = IDset(payload.get("housekeeping") or "") | IDset(housekeeping)
        self.drain_info = sorted(
            (
                DrainInfo(IDset(ids), float(info.get("timestamp") or 0.0), str(info.get("reason") or ""))
                for ids, info in (payload.get("drain") or {}).items()
            ),
            key=lambda info: info.ranks.expand(),
        )
        self.offline_info = [
            (IDset(ids), str(reason)) for ids, reason in (payload.get("offline_reasons") or {}).items()
        ]
        marked = IDset().union(*(info.ranks for info in self.drain_info))
        self.draining = marked & self.allocated
        self.drained = marked - self.draining

    @property
    def drain(self) -> IDset:
        """What is drained or on its way there."""
        return self.drained | self.draining

    @property
    def avail(self) -> IDset:
        """What may get work: neither excluded, drained, draining nor torpid."""
        return self.all - self.exclude - self.drain - self.torpid

    @property
    def nodelist(self) -> Hostlist:
        """The hosts of all ranks."""
        return self.resources.nodelist

    def __getitem__(self, state: str) -> IDset:
        if state not in (*STATUS_STATES, "all", "drain"):
            raise KeyError(state)
        found: IDset = getattr(self, state)
        return found

    def get_idset(self, *states: str) -> IDset:
        """The ranks in any of the states. Raises KeyError for a state that there is not."""
        return IDset().union(*(self[state] for state in states))

    def get_drain_info(self, rank: int) -> DrainInfo | None:
        """When and why a rank was drained; None where it was not."""
        return next((info for info in self.drain_info if rank in info.ranks), None)

    def filter(self, include: IDsetLike) -> ResourceStatus:
        """The same for some ranks alone, or for the ranks of some hosts. Raises FileNotFoundError for a host that is not here."""
        ranks = ranks_of(include, self.resources)
        new = ResourceStatus({})
        new.resources = self.resources.copy_ranks(ranks)
        for state in (
            "all",
            "online",
            "offline",
            "exclude",
            "torpid",
            "allocated",
            "housekeeping",
            "draining",
            "drained",
        ):
            setattr(new, state, self[state] & ranks)
        new.offline_info = [(ids & ranks, reason) for ids, reason in self.offline_info if ids & ranks]
        kept = ((info, info.ranks & ranks) for info in self.drain_info)
        new.drain_info = [info._replace(ranks=ids) for info, ids in kept if ids]
        return new


def resource_list(flux_handle: Any) -> Any:
    """The future of a SchedResourceList. Its `get` raises OSError where the instance cannot be asked."""
    return flux_handle.future(lambda: SchedResourceList(flux_handle.client.get("/v1/resources")))


def resource_status(flux_handle: Any) -> Any:
    """The future of a ResourceStatus. Its `get` raises OSError where the instance cannot be asked."""
    return flux_handle.future(lambda: ResourceStatus(flux_handle.client.get("/v1/resources/status")))


def ranks_of(include: IDsetLike, resources: RLike) -> IDset:
    """Ranks from an idset, or from a hostlist that names hosts of `resources`.

    Raises FileNotFoundError for a host that is not there, ParseError for a text that is neither.
    """
    if not isinstance(include, str):
        return IDset(include)
    try:
        return IDset(include)
    except ParseError:
        return IDset(ResourceSet(resources).host_ranks(include))


def checked_states(states: Iterable[str], known: Sequence[str]) -> list[str]:
    """Names of states in lower case. Raises FormatError for one that is not known."""
    found = [state.strip().lower() for state in states]
    for state in found:
        if state not in known:
            raise FormatError(f"Invalid resource state {state}: expected {', '.join(known)}")
    return found
