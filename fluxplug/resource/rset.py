"""R version 1 (RFC 20): which cores and GPUs on which ranks, with host names and properties, and the algebra of such sets.

`Rv1Set` is the value, `ResourceSet` the front that Flux's users know and that accepts R in any form. Not here: who holds what
(pools), and the constraint grammar (`fluxplug.jobspec.constraint`). Read and written by pools, drivers and commands.

Ranks keep their numbers and are few enough to enumerate; the cores and the GPUs of a rank are bit masks.
"""

from __future__ import annotations

import errno
import json
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias

from fluxplug.errors import DocumentError
from fluxplug.resource.bits import mask_of, members
from fluxplug.resource.document import check_property, read_json, read_r
from fluxplug.values.hostlist import Hostlist
from fluxplug.values.idset import IDset

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fluxplug.resource.document import Node
    from fluxplug.values.hostlist import HostlistLike
    from fluxplug.values.idset import IDsetLike

#: Ranks below this convert to masks in one go.
MAX_DENSE = 2**24
#: R as its users hold it: a document, its JSON text, or a set.
RLike: TypeAlias = "Mapping[str, Any] | str | Rv1Set | ResourceSet"


class Rv1Set:
    """A resource set in R version 1.

    `arg` is an R document, its JSON text, another set (copied) or None for the empty set. `keep_scheduling` keeps the document's
    opaque `scheduling` key, which is otherwise left out. `state` is the caller's to use.

    Raises ParseError for a text that is not JSON, DocumentError for a document that is not R (it is also a KeyError where `version`
    is missing), TypeError for anything else. Operations are linear in the ranks that they touch.
    """

    __slots__ = (
        "expiration",
        "hosts",
        "named",
        "nodes",
        "nslots",
        "property_ranks",
        "scheduling",
        "starttime",
        "state",
    )

    version = 1

    # Subclasses and pools read these; only the methods here change them.
    nodes: dict[int, Node]
    hosts: dict[int, str]  # empty where host names are unknown
    named: bool  # whether the document shows a nodelist, were it empty
    property_ranks: dict[str, IDset]  # in the order of the document; never empty sets
    expiration: float  # seconds since the epoch; 0 is none
    starttime: float
    nslots: int  # 0 is unknown
    scheduling: dict[str, Any] | None
    state: Any

    def __init__(self, arg: RLike | None = None, keep_scheduling: bool = False) -> None:
        if isinstance(arg, ResourceSet):
            arg = arg.impl
        if isinstance(arg, Rv1Set):
            _subset(self, arg, arg.nodes.copy())
            self.named = arg.named
        elif arg is None:
            self.nodes, self.hosts, self.named = {}, {}, False
            self.property_ranks, self.scheduling, self.state = {}, None, None
            self.expiration, self.starttime, self.nslots = 0.0, 0.0, 0
        else:
            found = read_r(arg)
            self.nodes, self.hosts, self.named = found.nodes, found.hosts, found.named
            self.property_ranks, self.scheduling, self.state = found.properties, found.scheduling, None
            self.expiration, self.starttime, self.nslots = found.expiration, found.starttime, found.nslots
        if not keep_scheduling:
            self.scheduling = None

    def _changed(self) -> None:
        """Called by every method that changes which resources there are."""

    # What is in it.

    @property
    def ranks(self) -> IDset:
        """The ranks."""
        return IDset(self.nodes)

    @property
    def nodelist(self) -> Hostlist:
        """The host names in the order of the ranks."""
        return Hostlist([self.hosts[rank] for rank in sorted(self.nodes) if self.hosts.get(rank)])

    @property
    def nnodes(self) -> int:
        """The number of ranks."""
        return len(self.nodes)

    @property
    def ncores(self) -> int:
        """The number of cores."""
        return sum(cores.bit_count() for cores, _ in self.nodes.values())

    @property
    def ngpus(self) -> int:
        """The number of GPUs."""
        return sum(gpus.bit_count() for _, gpus in self.nodes.values())

    @property
    def properties(self) -> str:
        """The names of the properties, comma-joined."""
        return ",".join(self.property_ranks)

    @property
    def rlist(self) -> str:
        """The short text, as `dumps` gives it."""
        return self.dumps()

    def count(self, name: str) -> int:
        """The number of `core`s or `gpu`s; 0 for any other type."""
        return self.ncores if name == "core" else self.ngpus if name == "gpu" else 0

    def set_expiration(self, expiration: float) -> None:
        """Set the end, in seconds since the epoch; 0 for none."""
        self.expiration = float(expiration)

    def set_starttime(self, starttime: float) -> None:
        """Set the beginning, in seconds since the epoch; 0 for none."""
        self.starttime = float(starttime)

    def get_properties(self) -> str:
        """The properties as JSON text: name to idset."""
        return json.dumps({name: str(ids) for name, ids in self.property_ranks.items()})

    def set_property(self, name: str, ranks: IDsetLike | None = None) -> None:
        """Give a property to some ranks, or to all. Raises DocumentError for a bad name or a rank that is not here."""
        check_property(name, "")
        wanted = self.ranks if ranks is None else IDset(ranks)
        strangers = wanted - self.ranks
        if strangers:
            raise DocumentError("", f"ranks {strangers} not in resource set")
        if wanted:
            self.property_ranks[name] = self.property_ranks.get(name, IDset()) | wanted

    def host_ranks(self, hosts: HostlistLike, ignore_nomatch: bool = False) -> list[int]:
        """The ranks on each listed host, in the order listed.

        Raises FileNotFoundError that names the hosts that are not here, unless `ignore_nomatch` leaves them out.
        """
        found: dict[str, list[int]] = {}
        for rank in sorted(self.nodes):
            found.setdefault(self.hosts.get(rank, ""), []).append(rank)
        found.pop("", None)
        names = Hostlist(hosts).expand()
        missing = [name for name in names if name not in found]
        if missing and not ignore_nomatch:
            noun = "host" if len(missing) == 1 else "hosts"
            raise FileNotFoundError(errno.ENOENT, f"{noun} '{','.join(missing)}' not found")
        return [rank for name in names for rank in found.get(name, ())]

    def _here(self, ranks: IDset) -> list[int]:
        """Those of `ranks` that are in this set; a few out of many cost as much as they are."""
        nodes = self.nodes
        if ranks.count() <= len(nodes):
            return [rank for rank in ranks if rank in nodes]
        return [rank for rank in sorted(nodes) if rank in ranks]

    # Sets made of it.

    def copy(self) -> Rv1Set:
        """An independent set, `scheduling` included."""
        return Rv1Set(self, keep_scheduling=True)

    def _with(self, nodes: dict[int, Node]) -> Rv1Set:
        return _subset(Rv1Set.__new__(Rv1Set), self, nodes)

    def copy_ranks(self, ranks: IDsetLike) -> Rv1Set:
        """Those of `ranks` that are here, with what they have."""
        return self._with({rank: self.nodes[rank] for rank in self._here(IDset(ranks))})

    def copy_constraint(self, constraint: Mapping[str, Any] | str) -> Rv1Set:
        """The ranks that satisfy an RFC 31 constraint, an object or its JSON text. Raises DocumentError, ParseError."""
        if isinstance(constraint, str):
            constraint = read_json(constraint)
        order = sorted(self.nodes)
        matches = self.constraint_mask(constraint, order)
        return self._with({order[i]: self.nodes[order[i]] for i in members(matches)})

    def constraint_mask(self, constraint: Any, order: list[int]) -> int:
        """The mask of places in `order`, a list of ranks of this set, whose rank satisfies the constraint.

        `order` ascends. Raises DocumentError where `constraint` is no RFC 31 object.
        """
        from fluxplug.jobspec.constraint import evaluate, parse_constraint  # noqa: PLC0415 - most R meet no constraint

        ranks = IDset(order)
        first = ranks.first()
        dense = bool(order) and ranks.last() - first == len(order) - 1 and ranks.last() < MAX_DENSE
        place = {} if dense else {rank: i for i, rank in enumerate(order)}

        def rank_mask(ids: IDset) -> int:
            ids = ids & ranks
            return ids.mask() >> first if dense else mask_of([place[rank] for rank in ids])

        def property_mask(name: str) -> int:
            return rank_mask(self.property_ranks.get(name, IDset()))

        def host_mask(hosts: Hostlist) -> int:
            return rank_mask(IDset(self.host_ranks(hosts, ignore_nomatch=True)))

        everything = (1 << len(order)) - 1
        return evaluate(parse_constraint(constraint), everything, property_mask, host_mask, rank_mask)

    def union(self, *others: RLike) -> Rv1Set:
        """What is in any of them; where host names differ the left one's stay, and so do the left one's times."""
        new = self.copy()
        new.named = True
        new.append(*others)
        return new

    def diff(self, *others: RLike) -> Rv1Set:
        """What is in this set and in none of `others`; a rank left with nothing vanishes."""
        nodes = self.nodes.copy()
        for other in map(as_rv1set, others):
            for rank, (cores, gpus) in other.nodes.items():
                if rank in nodes:
                    left = (nodes[rank][0] & ~cores, nodes[rank][1] & ~gpus)
                    if any(left):
                        nodes[rank] = left
                    else:
                        del nodes[rank]
        return self._with(nodes)

    def intersect(self, *others: RLike) -> Rv1Set:
        """The ranks that are in all of them, with what they have in this set."""
        nodes = self.nodes
        for other in map(as_rv1set, others):
            nodes = {rank: node for rank, node in nodes.items() if rank in other.nodes}
        return self._with(dict(nodes))

    def __or__(self, other: RLike) -> Rv1Set:
        return self.union(other)

    def __sub__(self, other: RLike) -> Rv1Set:
        return self.diff(other)

    def __and__(self, other: RLike) -> Rv1Set:
        return self.intersect(other)

    # Changing it.

    def append(self, *others: RLike) -> None:
        """Add what `others` have, properties included."""
        for other in map(as_rv1set, others):
            self._merge(other, other.property_ranks)

    def add(self, *others: RLike) -> None:
        """Add what `others` have; properties come along for the ranks that are new."""
        for other in map(as_rv1set, others):
            new = other.ranks - self.ranks
            self._merge(other, {name: ids & new for name, ids in other.property_ranks.items()})

    def _merge(self, other: Rv1Set, properties: Mapping[str, IDset]) -> None:
        nodes = self.nodes
        for rank, node in list(other.nodes.items()):
            mine = nodes.get(rank)
            nodes[rank] = node if mine is None or mine == node else (mine[0] | node[0], mine[1] | node[1])
        for rank, host in other.hosts.items():
            self.hosts.setdefault(rank, host)
        for name, ids in properties.items():
            if ids:
                self.property_ranks[name] = self.property_ranks.get(name, IDset()) | ids
        self.named = self.named or other.named
        self._changed()

    def remove_ranks(self, ranks: IDsetLike) -> None:
        """Remove ranks with all they have; those that are not here are ignored."""
        gone = IDset(self._here(IDset(ranks)))
        for rank in gone:
            del self.nodes[rank]
            self.hosts.pop(rank, None)
        self.property_ranks = {name: kept for name, ids in self.property_ranks.items() if (kept := ids - gone)}
        self.named = True
        self._changed()

    # Text.

    def _groups(self) -> list[tuple[IDset, Node]]:
        """Ranks that have the same, by lowest rank."""
        if len(self.nodes) == 1:
            ((rank, node),) = self.nodes.items()
            return [(IDset(rank), node)]
        alike: dict[Node, list[int]] = {}
        for rank in sorted(self.nodes):
            alike.setdefault(self.nodes[rank], []).append(rank)
        return [(IDset(ranks), node) for node, ranks in alike.items()]

    def dumps(self) -> str:
        """The short text: `rank[0-1]/core[0-3],gpu0 rank3/core[5,7]`."""
        groups = []
        for ranks, (cores, gpus) in self._groups():
            have = [f"{name}{_bracketed_mask(mask)}" for name, mask in (("core", cores), ("gpu", gpus)) if mask]
            groups.append(f"rank{_bracketed(ranks)}/{','.join(have)}")
        return " ".join(groups)

    def to_dict(self) -> dict[str, Any]:
        """The R document: ranks with equal children in one entry, by lowest rank; properties by name."""
        entries = []
        for ranks, (cores, gpus) in self._groups():
            children = {"core": _of_mask(cores)}
            if gpus:
                children["gpu"] = _of_mask(gpus)
            entries.append({"rank": ranks.encode(), "children": children})
        execution: dict[str, Any] = {
            "R_lite": entries,
            "starttime": float(self.starttime),
            "expiration": float(self.expiration),
        }
        if self.nslots > 0:
            execution["nslots"] = self.nslots
        if self.named:
            execution["nodelist"] = [self.nodelist.encode()]
        if self.property_ranks:
            execution["properties"] = {name: str(self.property_ranks[name]) for name in sorted(self.property_ranks)}
        document: dict[str, Any] = {"version": 1, "execution": execution}
        if self.scheduling is not None:
            document["scheduling"] = self.scheduling
        return document

    def encode(self) -> str:
        """The R document as JSON text."""
        return json.dumps(self.to_dict())

    def __str__(self) -> str:
        return self.dumps()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.dumps()!r})"

    def __eq__(self, other: object) -> bool:
        """Whether both have the same resources on the same ranks, names and times aside."""
        return self.nodes == other.nodes if isinstance(other, Rv1Set) else NotImplemented

    __hash__ = None  # type: ignore[assignment]  # mutable


def _subset(new: Rv1Set, whole: Rv1Set, nodes: dict[int, Node]) -> Rv1Set:
    """Fill `new` with `nodes`, whose ranks are in `whole`, and with all else of `whole` that still applies."""
    hosts = whole.hosts
    same = len(nodes) == len(whole.nodes)
    new.nodes = nodes
    new.hosts = hosts.copy() if same else {rank: hosts[rank] for rank in nodes if rank in hosts}
    new.named = True
    new.property_ranks = {}
    if whole.property_ranks:
        ranks = IDset(nodes)
        new.property_ranks = {name: kept for name, ids in whole.property_ranks.items() if (kept := ids & ranks)}
    new.expiration, new.starttime = whole.expiration, whole.starttime
    new.nslots, new.scheduling, new.state = whole.nslots, whole.scheduling, whole.state
    return new


def as_rv1set(arg: RLike) -> Rv1Set:
    """`arg` itself where it is a set, else what it describes."""
    if isinstance(arg, Rv1Set):
        return arg
    if isinstance(arg, ResourceSet):
        return arg.impl
    return Rv1Set(arg, keep_scheduling=True)


def _bracketed(ids: IDset) -> str:
    text = ids.encode()
    return f"[{text}]" if ids.count() > 1 else text


# The same few cores are handed out again and again.
@lru_cache(maxsize=4096)
def _of_mask(mask: int) -> str:
    return IDset.from_mask(mask).encode()


@lru_cache(maxsize=4096)
def _bracketed_mask(mask: int) -> str:
    return _bracketed(IDset.from_mask(mask))


class ResourceSet:
    """A resource set in any R version, as Flux's Python API has it. `impl` is the set of that version.

    `arg` is an R document, its JSON text, another set or None. Raises TypeError for anything else, KeyError where `version` is
    missing, DocumentError (a ValueError) for a bad document or version, ParseError (a ValueError) for a text that is not JSON.
    """

    __slots__ = ("impl",)

    impl: Rv1Set

    def __init__(self, arg: RLike | None = None, version: int = 1, **kwargs: Any) -> None:
        if arg is None and version != 1:
            raise DocumentError("", f"R version {version} not supported")
        if isinstance(arg, (Rv1Set, ResourceSet)):
            self.impl = as_rv1set(arg)
        else:
            self.impl = Rv1Set(arg, **kwargs)

    @property
    def version(self) -> int:
        """The version of R."""
        return self.impl.version

    @property
    def ranks(self) -> IDset:
        """The ranks."""
        return self.impl.ranks

    @property
    def nodelist(self) -> Hostlist:
        """The host names in the order of the ranks."""
        return self.impl.nodelist

    @property
    def nnodes(self) -> int:
        """The number of ranks."""
        return self.impl.nnodes

    @property
    def ncores(self) -> int:
        """The number of cores."""
        return self.impl.ncores

    @property
    def ngpus(self) -> int:
        """The number of GPUs."""
        return self.impl.ngpus

    @property
    def rlist(self) -> str:
        """The short text, as `dumps` gives it."""
        return self.impl.dumps()

    @property
    def properties(self) -> str:
        """The names of the properties, comma-joined."""
        return self.impl.properties

    @property
    def state(self) -> Any:
        """A mark of the caller's own."""
        return self.impl.state

    @state.setter
    def state(self, state: Any) -> None:
        self.impl.state = state

    @property
    def expiration(self) -> float:
        """The end, in seconds since the epoch; 0 for none."""
        return self.impl.expiration

    @expiration.setter
    def expiration(self, expiration: float) -> None:
        self.impl.set_expiration(expiration)

    @property
    def starttime(self) -> float:
        """The beginning, in seconds since the epoch; 0 for none."""
        return self.impl.starttime

    @starttime.setter
    def starttime(self, starttime: float) -> None:
        self.impl.set_starttime(starttime)

    def dumps(self) -> str:
        """The short text: `rank[0-1]/core[0-3],gpu0 rank3/core[5,7]`."""
        return self.impl.dumps()

    def encode(self) -> str:
        """The R document as JSON text."""
        return self.impl.encode()

    def to_dict(self) -> dict[str, Any]:
        """The R document."""
        return self.impl.to_dict()

    def count(self, name: str) -> int:
        """The number of `core`s or `gpu`s; 0 for any other type."""
        return self.impl.count(name)

    def get_properties(self) -> str:
        """The properties as JSON text: name to idset."""
        return self.impl.get_properties()

    def set_property(self, name: str, ranks: IDsetLike | None = None) -> None:
        """Give a property to some ranks, or to all. Raises DocumentError for a bad name or a rank that is not here."""
        self.impl.set_property(name, ranks)

    def host_ranks(self, hosts: HostlistLike, ignore_nomatch: bool = False) -> list[int]:
        """The ranks on each listed host. Raises FileNotFoundError for one that is not here, unless they are ignored."""
        return self.impl.host_ranks(hosts, ignore_nomatch)

    def copy(self) -> ResourceSet:
        """An independent set."""
        return ResourceSet(self.impl.copy())

    def copy_ranks(self, ranks: IDsetLike) -> ResourceSet:
        """Those of `ranks` that are here, with what they have."""
        return ResourceSet(self.impl.copy_ranks(ranks))

    def copy_constraint(self, constraint: Mapping[str, Any] | str) -> ResourceSet:
        """The ranks that satisfy an RFC 31 constraint, an object or its JSON text. Raises DocumentError, ParseError."""
        return ResourceSet(self.impl.copy_constraint(constraint))

    def union(self, *others: RLike) -> ResourceSet:
        """What is in any of them."""
        return ResourceSet(self.impl.union(*others))

    def diff(self, *others: RLike) -> ResourceSet:
        """What is in this set and in none of `others`."""
        return ResourceSet(self.impl.diff(*others))

    def intersect(self, *others: RLike) -> ResourceSet:
        """The ranks that are in all of them, with what they have in this set."""
        return ResourceSet(self.impl.intersect(*others))

    def append(self, *others: RLike) -> None:
        """Add what `others` have, properties included."""
        self.impl.append(*others)

    def add(self, *others: RLike) -> None:
        """Add what `others` have; properties come along for the ranks that are new."""
        self.impl.add(*others)

    def remove_ranks(self, ranks: IDsetLike) -> None:
        """Remove ranks with all they have; those that are not here are ignored."""
        self.impl.remove_ranks(ranks)

    def __or__(self, other: RLike) -> ResourceSet:
        return self.union(other)

    def __sub__(self, other: RLike) -> ResourceSet:
        return self.diff(other)

    def __and__(self, other: RLike) -> ResourceSet:
        return self.intersect(other)

    def __str__(self) -> str:
        return self.dumps()

    def __repr__(self) -> str:
        return f"ResourceSet({self.dumps()!r})"

    def __eq__(self, other: object) -> bool:
        return self.impl == other.impl if isinstance(other, ResourceSet) else NotImplemented

    __hash__ = None  # type: ignore[assignment]  # mutable
