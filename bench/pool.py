"""Rv1Pool: allocate-and-free pairs a second at three machine sizes, and the time to build a large pool.

Compared with flux-core's Rv1Pool, whose figures were measured on a 2-core machine of the kind that the targets are for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fluxplug_pool_rv1.pool import Rv1Pool

from fluxplug.clock import ManualClock, stopwatch

if TYPE_CHECKING:
    from fluxplug.resource import ResourceRequest

SIZES = (100, 1000, 10000)
# name -> (flux-core's pairs a second, the aim), at the three sizes.
PAIRS = {
    "1 core": ((15000, 600, 31), (30000, 30000, 30000)),
    "1 node, exclusive": ((11000, 570, 29), (30000, 30000, 30000)),
    "N/10 nodes, exclusive": ((9000, 680, 30), (20000, 4000, 400)),
    "N/10 nodes of 2 cores": (None, None),
}
BUILD_MS = (53, 25)


def machine(nodes: int) -> dict[str, Any]:
    lite = [{"rank": f"0-{nodes - 1}", "children": {"core": "0-47", "gpu": "0-3"}}]
    execution = {"R_lite": lite, "starttime": 0, "expiration": 0, "nodelist": [f"node[0-{nodes - 1}]"]}
    return {"version": 1, "execution": execution}


def request(pool: Rv1Pool, resources: dict[str, Any]) -> ResourceRequest:
    return pool.parse_resource_request(
        {"version": 1, "resources": [resources], "attributes": {"system": {"duration": 3600}}}
    )


def slot(cores: int) -> dict[str, Any]:
    return {"type": "slot", "count": 1, "label": "task", "with": [{"type": "core", "count": cores}]}


def node(count: int, cores: int, *, exclusive: bool) -> dict[str, Any]:
    return {"type": "node", "count": count, "exclusive": exclusive, "with": [slot(cores)]}


def pairs_per_second(pool: Rv1Pool, wanted: ResourceRequest, seconds: float) -> float:
    """The best of three rounds, with some jobs already running: an empty machine would flatter the index."""
    best = 0.0
    batch = max(1, min(50, 4 * pool.ranks.count() // 10 // max(wanted.nnodes, 1)))
    for _ in range(3):
        done, begin = 0, stopwatch()
        while (spent := stopwatch() - begin) < seconds:
            for jobid in range(1, batch + 1):
                pool.alloc(jobid, wanted)
            for jobid in range(1, batch + 1):
                pool.free(jobid, final=True)
            done += batch
        best = max(best, done / spent)
    return best


def build_ms(nodes: int) -> float:
    document = machine(nodes)
    best = float("inf")
    for _ in range(7):
        begin = stopwatch()
        Rv1Pool(document)
        best = min(best, 1000 * (stopwatch() - begin))
    return best


def measure(*, quick: bool = False) -> dict[str, Any]:
    """Figures by case; `ms` where less is better."""
    seconds = 0.05 if quick else 0.5
    out: dict[str, Any] = {}
    for column, nodes in enumerate(SIZES):
        for name, (peer, aim) in PAIRS.items():
            pool = Rv1Pool(machine(nodes), clock=ManualClock())
            for jobid in range(nodes // 4):  # a quarter of the nodes is shared
                pool.alloc(-1 - jobid, request(pool, node(1, 7, exclusive=False)))
            resources = {
                "1 core": slot(1),
                "1 node, exclusive": node(1, 1, exclusive=True),
                "N/10 nodes, exclusive": node(nodes // 10, 1, exclusive=True),
                "N/10 nodes of 2 cores": node(nodes // 10, 2, exclusive=False),
            }[name]
            rate = pairs_per_second(pool, request(pool, resources), seconds)
            pool.check()
            out[f"{name} @ {nodes}"] = {
                "pairs_per_second": round(rate),
                "flux_core": peer[column] if peer else None,
                "aim": aim[column] if aim else None,
            }
    out["build 10000 nodes, ms"] = {"ms": round(build_ms(10000), 2), "flux_core": BUILD_MS[0], "aim": BUILD_MS[1]}
    return out


def show(results: dict[str, Any]) -> None:
    print(f"{'':34}{'fluxplug':>10}{'flux-core':>11}{'ratio':>8}{'aim':>8}")
    for name, row in results.items():
        value = row.get("pairs_per_second", row.get("ms"))
        peer, aim = row["flux_core"], row["aim"]
        ratio = f"{peer / value if 'ms' in row else value / peer:.1f}" if peer else "-"
        print(f"{name:34}{value:>10}{peer or '-':>11}{ratio:>8}{aim or '-':>8}")
