"""How many tasks a job has, and which of them run on this host (`fluxplug.jobspec.taskmap` has the algebra).

Every agent of a job computes the same from the same message; the usual job, one host and block order, needs none of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from fluxplug.values.idset import IDset
from fluxplug_exec_local.options import part

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fluxplug.jobspec.taskmap import TaskMap


class Layout(NamedTuple):
    """`size` tasks in all; `mine` are the global ranks of this host's, ascending; `blocks` is the map (RFC 34)."""

    size: int
    mine: list[int]
    blocks: list[list[int]]


def lay_out(
    nodes: Sequence[Sequence[Any]], index: int, nslots: int, jobspec: dict[str, Any], options: dict[str, Any]
) -> Layout:
    """The layout of a job as the host at `index` of `nodes` ([rank, host name, cores, gpus], idset texts) sees it.

    Raises ValueError for counts, schemes and maps that make no sense.
    """
    count = jobspec["tasks"][0]["count"]
    per = options.get("per-resource") or count.get("per_resource")
    if len(nodes) == 1 and per is None:
        size = count["per_slot"] * nslots if "per_slot" in count else count["total"]
        if part(options, "taskmap").get("scheme", "block") != "block":
            _number([size], nodes, options["taskmap"])  # every map is the same here, as long as it is one
        return Layout(size, list(range(size)), [[0, 1, size, 1]])
    from fluxplug.jobspec.taskmap import assign, assign_per_resource  # noqa: PLC0415 - rare, and loads attrs

    cores = [len(IDset(node[2])) for node in nodes]
    if per is not None:
        per = {"type": per} if isinstance(per, str) else per
        if not isinstance(per, dict) or "type" not in per:
            raise ValueError(f"per-resource must have a type, node or core, not {per!r}")
        counts = assign_per_resource(cores, per["type"], per.get("count", 1))
    else:
        size = count["per_slot"] * nslots if "per_slot" in count else count["total"]
        counts = assign(cores, size, _cores_per_task(jobspec, count, sum(cores), nslots, size))
    found = _number(counts, nodes, part(options, "taskmap"))
    return Layout(found.ntasks, list(found.taskids(index)), [list(block) for block in found.blocks])


def _cores_per_task(jobspec: dict[str, Any], count: dict[str, Any], cores: int, nslots: int, size: int) -> int:
    if "per_slot" not in count:
        return max(1, cores // size)
    in_slot = _slot_cores(jobspec["resources"]) or cores // max(1, nslots)
    per_slot: int = count["per_slot"]
    return max(1, in_slot // per_slot)


def _slot_cores(vertices: list[dict[str, Any]], *, inside: bool = False) -> int:
    """The cores of one slot, 0 where the jobspec does not say a number."""
    found = 0
    for vertex in vertices:
        if inside and vertex["type"] == "core":
            found += vertex["count"] if isinstance(vertex["count"], int) else 0
        elif "with" in vertex:
            below = _slot_cores(vertex["with"], inside=inside or vertex["type"] == "slot")
            multiple: int = vertex["count"] if inside and isinstance(vertex["count"], int) else 1
            found += below * multiple
    return found


def _number(counts: list[int], nodes: Sequence[Sequence[Any]], taskmap: dict[str, Any]) -> TaskMap:
    from fluxplug.jobspec.taskmap import TaskMap  # noqa: PLC0415 - rare, and loads attrs

    scheme = taskmap.get("scheme", "block")
    value = str(taskmap.get("value", ""))
    if scheme == "block":
        return TaskMap.block(counts)
    if scheme == "cyclic":
        try:
            return TaskMap.cyclic(counts, int(value or 1))
        except ValueError:
            raise ValueError(f"taskmap.value of the scheme cyclic must be a number, 1 or more, not {value!r}") from None
    if scheme == "manual":
        try:
            found = TaskMap.parse(value)
        except ValueError as error:
            raise ValueError(f"taskmap.value of the scheme manual must be a map: {error}") from None
        if found.ntasks != sum(counts) or found.nnodes > len(nodes):
            raise ValueError(
                f"taskmap {value!r} is for {found.ntasks} tasks on {found.nnodes} nodes, the job has {sum(counts)} on {len(nodes)}"
            )
        return found
    if scheme == "hostfile":
        return _by_hostfile(value, sum(counts), nodes)
    raise ValueError(f"unknown taskmap scheme {scheme!r}: block, cyclic, manual or hostfile")


def _by_hostfile(path: str, size: int, nodes: Sequence[Sequence[Any]]) -> TaskMap:
    """One task a line, which names its host; from the beginning again when the file is at its end."""
    from fluxplug.jobspec.taskmap import TaskMap  # noqa: PLC0415 - rare, and loads attrs
    from fluxplug.values.hostlist import Hostlist  # noqa: PLC0415 - rare

    with open(path, encoding="utf-8") as file:  # noqa: PTH123 - pathlib is not loaded in an agent
        hosts = [host for line in file if line.strip() for host in Hostlist(line.strip())]
    index = {node[1]: i for i, node in reversed(list(enumerate(nodes)))}
    unknown = next((host for host in hosts if host not in index), None)
    if unknown is not None or not hosts:
        raise ValueError(
            f"hostfile {path}: " + (f"host {unknown} is not among the job's" if hosts else "names no host")
        )
    return TaskMap.from_blocks((index[hosts[i % len(hosts)]], 1, 1, 1) for i in range(size))
