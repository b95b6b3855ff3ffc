"""Documents for tests in one line each: machines as R (RFC 20) and jobspecs (RFC 25, and counts beyond it)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fluxplug.values.idset import IDset

Count = int | str | Mapping[str, Any]
"""A count of a jobspec (RFC 14, RFC 45): `4`, `"2-8"`, `"2+"`, `{"min": 2, "max": 8}`."""


def R(  # noqa: N802 - the format's name
    nodes: int = 1,
    cores: int | Sequence[int] = 1,
    gpus: int | Sequence[int] = 0,
    *,
    properties: Mapping[str, str] | None = None,
    first: int = 0,
    step: int = 1,
    hosts: str = "node",
    expiration: float = 0.0,
) -> dict[str, Any]:
    """An R document: `nodes` nodes on ranks `first`, `first + step`, ..., called `node0`, `node1`, ... by rank.

    `cores` and `gpus` are those of each node, or a list with a number a node; their ids count from 0. `properties` maps a name to
    ranks (idset text). `expiration` is in seconds, 0 for never. Raises ValueError for a list of another length than `nodes`.
    """
    ranks = range(first, first + step * nodes, step)
    alike: dict[tuple[int, int], list[int]] = {}
    for rank, what in zip(ranks, zip(_each(nodes, cores), _each(nodes, gpus), strict=True), strict=True):
        alike.setdefault(what, []).append(rank)
    lite = []
    for (core, gpu), where in alike.items():
        children = {"core": IDset(range(core)).encode()}
        if gpu:
            children["gpu"] = IDset(range(gpu)).encode()
        lite.append({"rank": IDset(where).encode(), "children": children})
    execution: dict[str, Any] = {
        "R_lite": lite,
        "starttime": 0.0,
        "expiration": expiration,
        "nodelist": [",".join(f"{hosts}{rank}" for rank in ranks)],
    }
    if properties:
        execution["properties"] = dict(properties)
    return {"version": 1, "execution": execution}


def _each(nodes: int, amount: int | Sequence[int]) -> Sequence[int]:
    amounts = [amount] * nodes if isinstance(amount, int) else amount
    if len(amounts) != nodes:
        raise ValueError(f"{len(amounts)} amounts for {nodes} nodes")
    return amounts


def jobspec(
    width: Count = 1,
    *,
    nodes: Count | None = None,
    slots: Count = 1,
    cores: int = 1,
    gpus: int = 0,
    limit: float = 0,
    exclusive: bool = False,
    constraint: Mapping[str, Any] | None = None,
    queue: str | None = None,
) -> dict[str, Any]:
    """A jobspec document of version 1.

    Without `nodes` it asks for `width` slots anywhere; with `nodes` for so many nodes with `slots` slots on each, and `width` does not count. A
    slot has `cores` cores and `gpus` GPUs. `exclusive` asks for whole nodes. `limit` is in seconds, 0 for none. `constraint` is an
    RFC 31 object, like `{"properties": ["big"]}`.
    """
    within: list[dict[str, Any]] = [{"type": "core", "count": cores}]
    if gpus:
        within.append({"type": "gpu", "count": gpus})
    slot: dict[str, Any] = {
        "type": "slot",
        "count": width if nodes is None else slots,
        "label": "task",
        "with": within,
    }
    outer = slot if nodes is None else {"type": "node", "count": nodes, "with": [slot]}
    if exclusive:
        outer["exclusive"] = True
    system: dict[str, Any] = {"duration": limit}
    if constraint is not None:
        system["constraints"] = dict(constraint)
    if queue is not None:
        system["queue"] = queue
    return {
        "version": 1,
        "resources": [outer],
        "tasks": [{"command": ["job"], "slot": "task", "count": {"per_slot": 1}}],
        "attributes": {"system": system},
    }
