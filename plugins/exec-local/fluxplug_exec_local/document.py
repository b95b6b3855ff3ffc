"""What a launch needs of R and jobspec: hosts with their cores and GPUs, and the number of slots."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fluxplug.values.hostlist import Hostlist
from fluxplug.values.idset import IDset

if TYPE_CHECKING:
    from fluxplug.exec import Launch


def nodes_of(R: dict[str, Any]) -> list[list[Any]]:  # noqa: N803 - the document is called R
    """[rank, host name, cores, gpus] (idset texts) of each host of an R document, by rank."""
    execution = R["execution"]
    lite = execution["R_lite"]
    names = execution.get("nodelist") or []
    if len(lite) == 1 and lite[0]["rank"].isdigit():
        children = lite[0]["children"]
        name = names[0] if names and "[" not in names[0] and "," not in names[0] else next(iter(Hostlist(names)), "")
        return [[int(lite[0]["rank"]), name, children.get("core", ""), children.get("gpu", "")]]
    found = [
        (rank, entry["children"].get("core", ""), entry["children"].get("gpu", ""))
        for entry in lite
        for rank in IDset(entry["rank"])
    ]
    # Host names are in the order of the ranks.
    found.sort()
    hosts = list(Hostlist(names))
    return [[rank, hosts[i] if i < len(hosts) else "", cores, gpus] for i, (rank, cores, gpus) in enumerate(found)]


def slots_of(job: Launch) -> int:
    """The number of task slots: what the pool has chosen, else what the jobspec says where it says one number."""
    chosen = job.R["execution"].get("nslots")
    if isinstance(chosen, int) and chosen > 0:
        return chosen
    return max(1, _slots(job.jobspec["resources"]))


def _slots(vertices: list[dict[str, Any]]) -> int:
    found = 0
    for vertex in vertices:
        count = vertex["count"] if isinstance(vertex["count"], int) else 1
        if vertex["type"] == "slot":
            found += count
        elif "with" in vertex:
            found += count * _slots(vertex["with"])
    return found
