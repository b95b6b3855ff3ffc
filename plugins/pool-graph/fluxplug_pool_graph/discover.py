"""Describes the machine it runs on, from what Linux shows under /sys and /proc, and writes that as R or JGF.

Not the hwloc reader: that reads a file somebody made with hwloc; this needs no library. What the kernel does not show is left out;
nothing here fails because a file is missing or odd.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import frozen

from fluxplug.errors import ParseError
from fluxplug.values.hostlist import Hostlist
from fluxplug.values.idset import IDset
from fluxplug_pool_graph.description import CONTAINMENT, Description, Edge, Vertex
from fluxplug_pool_graph.readers.limits import check_name, split_host

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

#: Between a node and its cores there can be these, from the outside in.
LEVELS = ("socket", "numanode")

#: PCI vendors of display devices that compute. Management controllers show a display too, and it is no GPU.
_AMD, _NVIDIA, _INTEL = "0x1002", "0x10de", "0x8086"
_CPU = re.compile(r"cpu([0-9]{1,6})")
_NUMA = re.compile(r"node([0-9]{1,6})")
_CARD = re.compile(r"card([0-9]{1,6})")


@frozen
class _Core:
    """One core: its package, the NUMA node of its first CPU (-1 where unknown), and that CPU."""

    package: int
    number: int
    numa: int
    cpu: int


def discover(
    hostname: str, *, sys: str | Path = "/sys", proc: str | Path = "/proc", levels: Collection[str] = ("socket",)
) -> Description:
    """The machine as a cluster of one node of rank 0 with its cores and GPUs; a few file reads a CPU.

    `levels` picks from LEVELS what stands between the node and its cores. Requests are matched level by level, so every level must
    be named in them. NUMA nodes are left out where they do not fit into sockets. Cores and GPUs are numbered from 0 through the
    whole node. CPUs that are offline do not count; a machine that shows no topology has one core a CPU, and at least one core.

    Raises GraphReadError for a host name that cannot be a part of a path.
    """
    sys, proc = Path(sys), Path(proc)
    check_name(hostname, "hostname")
    numa_of = _numa_nodes(sys)
    cores = _cores(sys, proc, numa_of)
    wanted = [level for level in LEVELS if level in levels]
    sockets_of: dict[int, set[int]] = {}
    for core in cores:
        sockets_of.setdefault(core.numa, set()).add(core.package)
    if -1 in sockets_of or any(len(packages) > 1 for packages in sockets_of.values()):
        wanted = [level for level in wanted if level != "numanode"]
    return _describe(hostname, cores, _gpus(sys, proc), wanted)


def to_r(description: Description, hostname: str) -> dict[str, Any]:
    """The cores and GPUs of a discovered machine as an R document of version 1, for rank 0; times are 0 (unlimited)."""
    children = {}
    for kind in ("core", "gpu"):
        ids = [vertex.id for vertex in description.vertices if vertex.type == kind]
        if ids:
            children[kind] = str(IDset(ids))
    return {
        "version": 1,
        "execution": {
            "R_lite": [{"rank": "0", "children": children}],
            "nodelist": [str(Hostlist([hostname]))],
            "starttime": 0,
            "expiration": 0,
        },
    }


def to_jgf(description: Description) -> dict[str, Any]:
    """A description as a JGF document, defaults left out; linear. Units are written, though readers of JGF drop them."""
    nodes: list[dict[str, Any]] = []
    for vertex in description.vertices:
        metadata: dict[str, Any] = {"type": vertex.type}
        if vertex.basename != vertex.type:
            metadata["basename"] = vertex.basename
        if vertex.name != f"{vertex.basename}{vertex.id}":
            metadata["name"] = vertex.name
        metadata |= {"id": vertex.id, "uniq_id": vertex.uniq_id, "rank": vertex.rank}
        optional = {"properties": vertex.properties, "unit": vertex.unit, "exclusive": vertex.exclusive}
        metadata |= {key: value for key, value in optional.items() if value}
        if not vertex.up:
            metadata["status"] = 1
        if vertex.size != 1:
            metadata["size"] = vertex.size
        metadata["paths"] = vertex.paths
        nodes.append({"id": str(len(nodes)), "metadata": metadata})
    edges = []
    for edge in description.edges:
        made: dict[str, Any] = {"source": str(edge.source), "target": str(edge.target)}
        if edge.subsystem != CONTAINMENT:
            made["metadata"] = {"subsystem": edge.subsystem}
        edges.append(made)
    document: dict[str, Any] = {"graph": {"nodes": nodes, "edges": edges}}
    if description.free_ranks:
        document["free_ranks"] = str(description.free_ranks)
    return json.loads(json.dumps(document))  # type: ignore[no-any-return]  # shares nothing with the description


def _describe(hostname: str, cores: list[_Core], gpus: Iterable[int], levels: list[str]) -> Description:
    made = Description(types=["cluster", "node", *levels, "core"])

    def add(kind: str, number: int, parent: int) -> int:
        index = len(made.vertices)
        name = f"{kind}{number}"
        path = f"{made.vertices[parent].paths[CONTAINMENT]}/{name}"
        made.vertices.append(Vertex(kind, kind, name, number, index, 0, paths={CONTAINMENT: path}))
        made.edges.append(Edge(parent, index))
        return index

    made.vertices.append(Vertex("cluster", "cluster", "cluster0", 0, 0, paths={CONTAINMENT: "/cluster0"}))
    basename, number = split_host(hostname, "hostname")
    node = 1
    made.vertices.append(
        Vertex("node", basename, hostname, number, node, 0, paths={CONTAINMENT: f"/cluster0/{hostname}"})
    )
    made.edges.append(Edge(0, node))
    groups: dict[tuple[int, ...], int] = {}  # the packages and NUMA nodes that are there, by what leads to them
    counts = dict.fromkeys(levels, 0)
    home: dict[int, int] = {}  # the vertex at which a GPU of a NUMA node belongs
    for k, core in enumerate(cores):
        parent = node
        way: tuple[int, ...] = ()
        for level in levels:
            way = (*way, core.package if level == "socket" else core.numa)
            if way not in groups:
                groups[way] = add(level, counts[level], parent)
                counts[level] += 1
            parent = groups[way]
        home.setdefault(core.numa, parent)
        if home[core.numa] != parent:
            home[core.numa] = node  # a NUMA node of several sockets
        add("core", k, parent)
    for k, numa in enumerate(gpus):
        if k == 0:
            made.types.append("gpu")
        add("gpu", k, home.get(numa, node) if numa >= 0 else node)
    return made


def _cores(sys: Path, proc: Path, numa_of: dict[int, int]) -> list[_Core]:
    """The online cores by package, NUMA node and first CPU; one a CPU where the kernel shows no topology."""
    folder = sys / "devices/system/cpu"
    cpus = sorted(_numbered(folder, _CPU))
    online = _ids(folder / "online")
    if online is not None:
        cpus = [cpu for cpu in cpus if cpu in online]
    found: dict[tuple[int, int], _Core] = {}
    for cpu in cpus:
        topology = folder / f"cpu{cpu}/topology"
        package = max(_integer(topology / "physical_package_id"), 0)  # some machines have no packages and say -1
        number = _integer(topology / "core_id")
        die = max(_integer(topology / "die_id"), 0)
        siblings = _ids(topology / "thread_siblings_list")
        # Core ids may repeat in the dies of a package; the first CPU of the core tells it for sure.
        key = (package, siblings.first() if siblings else (die << 32 | number if number >= 0 else -1 - cpu))
        if key not in found:
            found[key] = _Core(package, number, numa_of.get(cpu, -1), cpu)
    if not found:
        count = len(re.findall(r"^processor\s*:", _text(proc / "cpuinfo"), re.MULTILINE))
        return [_Core(0, cpu, -1, cpu) for cpu in range(max(count, 1))]
    return sorted(found.values(), key=lambda core: (core.package, core.numa, core.cpu))


def _numa_nodes(sys: Path) -> dict[int, int]:
    """The NUMA node of each CPU."""
    folder = sys / "devices/system/node"
    return {cpu: numa for numa in _numbered(folder, _NUMA) for cpu in _ids(folder / f"node{numa}/cpulist") or ()}


def _gpus(sys: Path, proc: Path) -> list[int]:
    """The NUMA node of each GPU (-1: unknown), in the order of PCI addresses."""
    found: dict[str, int] = {}
    for card in _numbered(sys / "class/drm", _CARD):
        device = sys / f"class/drm/card{card}/device"
        address = _real_name(device)
        vendor = _text(device / "vendor").strip()
        integrated = vendor == _INTEL and address.startswith("0000:00:")
        if vendor in (_AMD, _NVIDIA, _INTEL) and not integrated and _names(device / "drm", "renderD"):
            found[address] = _integer(device / "numa_node")
    for address in _names(proc / "driver/nvidia/gpus", ""):
        found.setdefault(address, _integer(sys / f"bus/pci/devices/{address}/numa_node"))
    return [found[address] for address in sorted(found)]


def _real_name(path: Path) -> str:
    try:
        return path.resolve().name
    except (OSError, RuntimeError):  # a loop of links
        return path.name


def _numbered(folder: Path, pattern: re.Pattern[str]) -> list[int]:
    matches = map(pattern.fullmatch, _names(folder, ""))
    return sorted(int(match.group(1)) for match in matches if match)


def _names(folder: Path, prefix: str) -> list[str]:
    try:
        return sorted(entry.name for entry in folder.iterdir() if entry.name.startswith(prefix))
    except OSError:
        return []


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _integer(path: Path) -> int:
    """The number in a file; -1, which is the kernel's word for none, where there is none."""
    try:
        return int(_text(path))
    except ValueError:
        return -1


def _ids(path: Path) -> IDset | None:
    try:
        return IDset(_text(path).strip()) if path.exists() else None
    except (ParseError, OSError):
        return None
