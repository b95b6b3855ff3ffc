"""The machine that `[resource]` describes: an R file, so many equal nodes, or a list of hosts with what they have.

Its outcome is an R document (RFC 20), for whichever pool reads it; `ranks` are 0, 1, ... in the order of the hosts. Used by `load` (tables
to values) and by commands (`--nodes`). Not here: R's rules and algebra (`fluxplug.resource`).
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from fluxplug.config.options import keys_of
from fluxplug.config.source import KeyProblem
from fluxplug.config.tables import MAX_NODES, MAX_PER_NODE, ResourceTable
from fluxplug.errors import ConfigError, DocumentError, ParseError
from fluxplug.resource.document import check_property, read_json, read_r
from fluxplug.values.hostlist import Hostlist
from fluxplug.values.idset import IDset

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from fluxplug.config.source import KeyPath
    from fluxplug.config.tables import HostsTable

MAX_R_BYTES = 256 * 2**20


@frozen
class Group:
    """Nodes that have the same: idsets of their ranks, of the cores and of the GPUs of each."""

    ranks: str
    cores: str
    gpus: str = ""


@frozen
class ResourceConfig:
    """A machine: the R file at `path`, or `groups` of nodes whose ranks 0, 1, ... are called `hosts` (a hostlist).

    `properties` has an idset of ranks for each. `uniform` and `listed` make and check one.
    """

    path: Path | None = None
    hosts: str = ""
    groups: tuple[Group, ...] = ()
    properties: Mapping[str, str] = field(factory=dict)

    @classmethod
    def uniform(
        cls,
        nodes: int | None = None,
        cores: int = 1,
        gpus: int = 0,
        hosts: str | None = None,
        properties: Mapping[str, str] | None = None,
    ) -> ResourceConfig:
        """`nodes` equal nodes; as many as `hosts` where None. Linear in the nodes. Raises ConfigError."""
        table = ResourceTable(nodes=nodes, cores=cores, gpus=gpus, hosts=hosts)
        for name, key in keys_of(ResourceTable).items():
            value = getattr(table, key.field)
            if value is not None and (problem := key.problem(value)):
                raise KeyProblem(("resource", name), problem)
        if hosts is None:
            if nodes is None:
                raise KeyProblem(("resource",), "says neither nodes nor hosts, path nor config; add one of them")
            hosts = f"node[0-{nodes - 1}]"
        names = _hostlist(("resource", "hosts"), hosts)
        if nodes is not None and len(names) != nodes:
            problem = f"there are {nodes}, but hosts has {len(names)} names; make them agree or leave nodes out"
            raise KeyProblem(("resource", "nodes"), problem)
        by_name = {}
        for name, ids in sorted((properties or {}).items()):
            at = ("resource", "properties", name)
            _check_property(at, name)
            by_name[name] = _ranks(at, ids, len(names))
        group = Group(_upto(len(names)), _upto(cores), _upto(gpus))
        return cls(hosts=names.encode(), groups=(group,), properties=by_name)

    @classmethod
    def listed(cls, entries: Iterable[HostsTable]) -> ResourceConfig:
        """Hosts in order of their first mention; what several entries say of one host adds up. Raises ConfigError.

        Linear in the hosts mentioned.
        """
        found: dict[str, tuple[IDset, IDset]] = {}
        tagged: dict[str, list[str]] = {}
        for number, entry in enumerate(entries):
            at = ("resource", "config", number)
            cores, gpus = _idset((*at, "cores"), entry.cores), _idset((*at, "gpus"), entry.gpus)
            names = _hostlist((*at, "hosts"), entry.hosts)
            for name in names:
                old = found.get(name)
                found[name] = (old[0] | cores, old[1] | gpus) if old else (cores, gpus)
            for place, name in enumerate(entry.properties):
                _check_property((*at, "properties", place), name)
                tagged.setdefault(name, []).extend(names)
        if len(found) > MAX_NODES:
            raise KeyProblem(("resource", "config"), f"more than {MAX_NODES} hosts")
        if not found:
            raise KeyProblem(("resource", "config"), "has no hosts; add an element with hosts and cores")
        bare = next((name for name, (cores, _) in found.items() if not cores), None)
        if bare is not None:
            raise KeyProblem(("resource", "config"), f"no element gives host {bare} any cores; add cores")
        alike: dict[tuple[str, str], list[int]] = {}
        for rank, (cores, gpus) in enumerate(found.values()):
            alike.setdefault((cores.encode(), gpus.encode()), []).append(rank)
        ranks = {name: rank for rank, name in enumerate(found)}
        return cls(
            hosts=Hostlist(found).encode(),
            groups=tuple(Group(IDset(where).encode(), *what) for what, where in alike.items()),
            properties={name: IDset(ranks[host] for host in hosts).encode() for name, hosts in sorted(tagged.items())},
        )

    def document(self, queues: Mapping[str, str] | None = None) -> dict[str, Any]:
        """The R document (version 1). `queues` (hostlists, or "all", by queue) puts the property `+NAME` on each queue's hosts.

        Raises ConfigError for an R file that cannot be used, and for a host that the machine lacks.
        """
        document = self._written() if self.path is None else _read_file(self.path)
        if queues:
            contents = read_r(document)
            ranks = {host: rank for rank, host in contents.hosts.items()}
            properties = document["execution"].setdefault("properties", {})
            for name, hosts in queues.items():
                bound = contents.nodes if hosts == "all" else _ranks_of(("queues", name, "hosts"), hosts, ranks)
                properties[f"+{name}"] = IDset(bound).encode()
        return document

    def _written(self) -> dict[str, Any]:
        lite = []
        for group in self.groups:
            children = {"core": group.cores, "gpu": group.gpus} if group.gpus else {"core": group.cores}
            lite.append({"rank": group.ranks, "children": children})
        execution = {"R_lite": lite, "starttime": 0.0, "expiration": 0.0, "nodelist": [self.hosts]}
        if self.properties:
            execution["properties"] = dict(self.properties)
        return {"version": 1, "execution": execution}


def _read_file(path: Path) -> dict[str, Any]:
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(MAX_R_BYTES + 1)
        if len(text) > MAX_R_BYTES:
            raise ConfigError(f"{path}: has more than {MAX_R_BYTES} characters; that is no R file")
        document = read_json(text)
        if not isinstance(document, dict):
            raise DocumentError("", "expected an object")
        read_r(document)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror or error}; check the path") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8; an R file is JSON (RFC 20)") from error
    except ParseError as error:
        line = text.count("\n", 0, error.position) + 1
        raise ConfigError(f"{path}:{line}: not JSON: {error.reason}; an R file is JSON (RFC 20)") from error
    except DocumentError as error:
        raise ConfigError(f"{path}: not an R document (RFC 20): {error}") from error
    return document


def _ranks_of(at: KeyPath, hosts: str, ranks: Mapping[str, int]) -> list[int]:
    names = _hostlist(at, hosts)
    missing = Hostlist([name for name in names if name not in ranks])
    if len(missing):
        have = Hostlist(ranks).encode() or "not named"
        raise KeyProblem(at, f"the machine has no host {missing.encode()[:80]}; its hosts are {have[:80]}")
    return [ranks[name] for name in names]


def _hostlist(at: KeyPath, text: str) -> Hostlist:
    """At least one host, none twice."""
    try:
        names = Hostlist(text)
    except ParseError as error:
        raise KeyProblem(at, f'{error}; write a hostlist, like "node[0-99]"') from error
    if not len(names):
        raise KeyProblem(at, "names no host; name at least one")
    if len(set(names)) != len(names):
        twice = next(name for name, times in Counter(names).items() if times > 1)
        raise KeyProblem(at, f"host {twice} is named twice; name each host once")
    return names


def _idset(at: KeyPath, text: str) -> IDset:
    try:
        ids = IDset(text)
    except ParseError as error:
        raise KeyProblem(at, f'{error}; write ids, like "0-15"') from error
    if ids and ids.last() >= MAX_PER_NODE:
        raise KeyProblem(at, f"id {ids.last()} is too large; use ids below {MAX_PER_NODE}")
    return ids


def _ranks(at: KeyPath, text: str, nodes: int) -> str:
    try:
        ids = IDset(text)
    except ParseError as error:
        raise KeyProblem(at, f'{error}; write node numbers, like "0-15"') from error
    if ids and ids.last() >= nodes:
        raise KeyProblem(at, f"there is no node {ids.last()}; use numbers from 0 to {nodes - 1}")
    return ids.encode()


def _check_property(at: KeyPath, name: str) -> None:
    try:
        check_property(name, "")
    except DocumentError as error:
        raise KeyProblem(at, f"{error.reason}; choose another name") from error
    if name.startswith("+"):
        raise KeyProblem(at, f"{name!r} begins with '+', which marks the nodes of a queue; choose another name")


def _upto(count: int) -> str:
    return f"0-{count - 1}" if count > 1 else "0" * count
