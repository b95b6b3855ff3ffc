"""Matching in the C core, through CMatcher in Python: matches a second against Fluxion's on a 2-core machine.

Racks of 20 nodes with 2 sockets, 44 cores and 4 GPUs each. `sameness` is what a one-node match costs on larger machines, as a multiple of that on the
smallest.
"""

from __future__ import annotations

import gc
import json
import mmap
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from fluxplug_pool_graph.core import Graph
from fluxplug_pool_graph.jobspec import Count, Request, Resource
from fluxplug_pool_graph.matcher import Operation, Options, Verdict
from fluxplug_pool_graph.native import CMatcher
from fluxplug_pool_graph.policies import POLICIES
from graph_load import peak_mb

from fluxplug.clock import stopwatch

#: name: policy, nodes, operation, what, how many jobs at most; Fluxion's figure and the aim, matches a second.
ROWS: dict[str, tuple[str, int, str, str, int, float, float]] = {
    "first, 1 core": ("first", 1_000, "allocate", "core", 44_000, 8_500, 100_000),
    "first, 1 node": ("first", 10_000, "allocate", "node", 10_000, 4_700, 50_000),
    "first, 64 nodes": ("first", 10_000, "allocate", "nodes", 156, 168, 3_000),
    "low, 1 core": ("low", 1_000, "allocate", "core", 44_000, 21, 100_000),
    "low, 1 node": ("low", 10_000, "allocate", "node", 10_000, 2.6, 50_000),
    "lonode, 1 node": ("lonode", 10_000, "allocate", "node", 10_000, 2.6, 50_000),
    "variation, 1 node": ("variation", 1_000, "allocate", "node", 1_000, 10, 2_000),
    "reserve 2,000 mixed": ("first", 1_000, "allocate_orelse_reserve", "mixed", 2_000, 168, 5_000),
    "reserve 1,000 of 64": ("first", 1_000, "allocate_orelse_reserve", "nodes", 1_000, 45, 2_000),
    "satisfiability, 1,000": ("first", 1_000, "satisfiability", "all", 2_000, 172, 2_000),
}
SAMENESS = ("first", "high", "low", "hinode", "lonode")
SECONDS = 4.0


def requests(what: str) -> list[Request]:
    """The requests that jobs make in turn."""

    def slots(count: int, kind: str, duration: float = 3600) -> Request:
        content = (Resource(kind, Count(1, 1)),)
        return Request((Resource("slot", Count(count, count), None, "s", content),), duration)

    if what == "mixed":
        return [slots(1 + place * 37 % 64, "node", 600 + 60 * (place % 7)) for place in range(64)]
    counts = {"core": (1, "core"), "node": (1, "node"), "nodes": (64, "node"), "all": (1_000, "node")}
    return [slots(*counts[what])]


def child(path: str, policy: str, operation: str, what: str, jobs: str) -> None:
    """One row, in a process of its own; prints what it took. The peak counts the text, which is mapped while it is read."""
    with Path(path).open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
        graph = Graph.from_jgf(text)
    matcher = CMatcher(graph, Options(POLICIES[policy]))
    asked, how = requests(what), Operation(operation)
    for request in asked:  # compiles them, and puts vertices into order where the policy needs that
        matcher.match(Operation.WITHOUT_ALLOCATING, request, 0, quick=True)
    done = 0
    gc.freeze()
    begin = stopwatch()
    while done < int(jobs) and stopwatch() - begin < SECONDS:
        outcome = matcher.match(how, asked[done % len(asked)], done + 1, quick=True)
        assert outcome.verdict is Verdict.DONE, (done, outcome.verdict)
        done += 1
    took = stopwatch() - begin
    print(json.dumps({"jobs": done, "a_second": round(done / took, 1), "peak_mb": peak_mb()}))


def run(folder: str, nodes: int, *words: object) -> dict[str, Any]:
    path = Path(folder) / f"{nodes}.json"
    if not path.exists():
        # In a process of its own too: what it needs is several times the text.
        code = "import sys, pathlib, graph_load; graph_load.write_machine(pathlib.Path(sys.argv[1]), int(sys.argv[2]))"
        subprocess.run([sys.executable, "-c", code, str(path), str(nodes)], check=True, cwd=Path(__file__).parent)
    command = [sys.executable, __file__, str(path), *map(str, words)]
    return dict(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))


def measure(*, quick: bool = False) -> dict[str, Any]:
    rows, sameness = [], []
    with tempfile.TemporaryDirectory(prefix="fluxplug-bench-") as folder:
        for name, (policy, nodes, operation, what, jobs, fluxion, aim) in ROWS.items():
            size = min(nodes, 1_000) if quick else nodes
            found = run(folder, size, policy, operation, what, jobs // 20 if quick else jobs)
            rows.append({"name": name, "nodes": nodes, **found, "fluxion": fluxion, "aim": aim})
        sizes = (100, 1_000) if quick else (100, 1_000, 10_000)
        for policy in SAMENESS:
            times = [1 / run(folder, nodes, policy, "allocate", "node", 90)["a_second"] for nodes in sizes]
            sameness.append({"policy": policy, "nodes": sizes, "times": [round(one / times[0], 2) for one in times]})
    return {"rows": rows, "sameness": sameness}


def show(result: dict[str, Any]) -> None:
    print(f"{'':24}{'nodes':>8}{'a second':>12}{'fluxion':>10}{'aim':>10}{'peak MB':>9}")
    for one in result["rows"]:
        figures = f"{one['a_second']:>12,.0f}{one['fluxion']:>10,}{one['aim']:>10,}{one['peak_mb']:>9}"
        print(f"{one['name']:24}{one['nodes']:>8,}{figures}")
    for one in result["sameness"]:
        times = ", ".join(f"{time} at {nodes:,}" for nodes, time in zip(one["nodes"], one["times"], strict=True))
        print(f"one node, {one['policy']:14} {times}")


if __name__ == "__main__":
    child(*sys.argv[1:])
