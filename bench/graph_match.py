"""The resource graph as a pool, `GraphPool` in Python: loading, and matches a second, against Fluxion's on a 2-core machine.

Racks of 20 nodes with 2 sockets, 44 cores and 4 GPUs each, read from JGF by `load_file`. Each row is a process of its own. A match is a call of the pool, with the R that it returns, which
the job keeps; every job asks with a request of its own, read and tested for feasibility before, as when it was submitted. "text" is the same with all that lies around it: the jobspec is
read, tested and matched, and R written as JSON. The clock stands still, as Fluxion's does; seconds are those of the processor, the best of a few rounds. The peak is that after the first.

`reserve` is `alloc`, or else `earliest_start` and `reserve`, all at one instant. A pool answers a question of feasibility once a shape, so `satisfiability` makes it forget the answer before each: the request
is compiled and searched for anew; `compiled` asks the core alone. `sameness` is what one match of a node costs on average, over all rounds, while all nodes of a larger machine are
filled, as a multiple of that on the smallest; these nodes have 1 socket, 4 cores and no GPU, for 100,000 nodes of 51 vertices would be a gigabyte of text.
"""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from time import process_time
from typing import TYPE_CHECKING, Any

from graph_load import CORES, GPUS, SOCKETS, peak_mb

from fluxplug.clock import ManualClock
from fluxplug.errors import InsufficientResources

if TYPE_CHECKING:
    from collections.abc import Callable

    from fluxplug_pool_graph.pool import GraphPool
    from fluxplug_pool_graph.pool.request import GraphRequest

#: name: policy, nodes, operation, what, how many jobs; Fluxion's figure and the aim, matches a second; its peak and the aim, MB.
ROWS: dict[str, tuple[str, int, str, str, int, float, float, tuple[int, int] | None]] = {
    "first, 1 core": ("first", 1_000, "alloc", "core", 44_000, 8_500, 100_000, None),
    "first, 1 node": ("first", 10_000, "alloc", "node", 10_000, 4_700, 50_000, None),
    "first, 64 nodes": ("first", 10_000, "alloc", "nodes", 156, 168, 3_000, None),
    "low, 1 core": ("low", 1_000, "alloc", "core", 44_000, 21, 100_000, None),
    "low, 1 node": ("low", 10_000, "alloc", "node", 10_000, 2.6, 50_000, None),
    "lonode, 1 node": ("lonode", 10_000, "alloc", "node", 10_000, 2.6, 50_000, None),
    "variation, 1 node": ("variation", 1_000, "alloc", "node", 1_000, 10, 2_000, None),
    "reserve 2,000 mixed": ("first", 1_000, "reserve", "mixed", 2_000, 168, 5_000, (1_599, 200)),
    "reserve 1,000 of 64": ("first", 1_000, "reserve", "nodes", 1_000, 45, 2_000, (2_748, 200)),
    "satisfiability, 1,000": ("first", 1_000, "satisfiability", "all", 2_000, 172, 2_000, None),
    "the same, compiled": ("first", 1_000, "compiled", "all", 2_000, 172, 2_000, None),
}
LOAD = {"nodes": 10_000, "fluxion": (6.7, 2_229), "aim": (0.7, 220)}
SAMENESS = ("first", "firstnodex", "high", "low", "hinode", "lonode", "hinodex", "lonodex")
SIZES = (100, 1_000, 10_000, 100_000)
SMALL = (1, 4, 0)  # sockets a node, cores and GPUs a socket, where it is the number of nodes that matters
#: Processor seconds: no round begins after `enough` of the rows, none lasts longer than this.
MOST = 8.0
REQUESTS = 512


def jobspec(count: int, kind: str, duration: float = 3600) -> dict[str, Any]:
    slot = {"type": "slot", "count": count, "label": "s", "with": [{"type": kind, "count": 1}]}
    return {"version": 1, "resources": [slot], "attributes": {"system": {"duration": duration}}}


def jobspecs(what: str) -> list[dict[str, Any]]:
    """What jobs ask for in turn."""
    if what == "mixed":
        return [jobspec(1 + place * 37 % 64, "node", 600 + 60 * (place % 7)) for place in range(64)]
    counts = {"core": (1, "core"), "node": (1, "node"), "nodes": (64, "node"), "all": (1_000, "node")}
    return [jobspec(*counts[what])]


def reserve(pool: GraphPool, jobid: int, request: GraphRequest) -> Any:
    try:
        return pool.alloc(jobid, request)
    except InsufficientResources:
        start = pool.earliest_start(request, 0.0)
        assert start is not None, jobid
        return pool.reserve(jobid, request, start)


def satisfiability(pool: GraphPool, jobid: int, request: GraphRequest) -> None:
    del jobid
    pool._shapes.clear()
    pool.check_feasibility(request)


def compiled(pool: GraphPool, jobid: int, request: GraphRequest) -> None:
    del jobid
    pool.core.feasible(pool._compiled(request.shape))


def calls(pool: GraphPool, operation: str) -> Callable[[int, GraphRequest], Any]:
    """An operation as a call with job and request; `alloc` itself, with nothing in between."""
    if operation == "alloc":
        return pool.alloc
    how = {"reserve": reserve, "satisfiability": satisfiability, "compiled": compiled}[operation]
    return lambda jobid, request: how(pool, jobid, request)


def one_round(
    call: Callable[[int, GraphRequest], Any], asked: list[GraphRequest], jobs: int
) -> tuple[float, list[Any]]:
    """Seconds, and what each job got."""
    given: list[Any] = []
    count = len(asked)
    begin = process_time()
    for jobid in range(jobs):
        given.append(call(jobid, asked[jobid % count]))
        if not jobid % 100 and process_time() - begin > MOST:
            break
    return process_time() - begin, given


def child(path: str, policy: str, *words: str) -> None:
    """One row, in a process of its own; prints what it took. `words` are operation, what, the number of jobs, and for how long rounds begin."""
    from fluxplug_pool_graph.pool import GraphPool  # noqa: PLC0415 - the parent's memory must not count

    begin = process_time()
    pool = GraphPool(load_file=path, load_format="jgf", match_policy=policy, clock=ManualClock())
    out: dict[str, Any] = {"load": process_time() - begin, "load_mb": peak_mb()}
    operation, what, jobs, enough = words
    if int(jobs):
        documents = jobspecs(what)
        for document in documents:  # what a shape costs once
            pool.check_feasibility(pool.parse_resource_request(document))
        begin = process_time()
        asked = [pool.parse_resource_request(documents[place % len(documents)]) for place in range(REQUESTS)]
        for request in asked:
            pool.check_feasibility(request)
        around = (process_time() - begin) / REQUESTS
        gc.freeze()
        call, best, spent, done = calls(pool, operation), float("inf"), 0.0, 0
        while not spent or spent < float(enough):
            seconds, given = one_round(call, asked, int(jobs))
            out.setdefault("peak_mb", peak_mb())
            spent, done = spent + seconds, done + len(given)
            best = min(best, seconds / len(given))
            if done == len(given):  # the first round
                begin = process_time()
                for one in given[:REQUESTS] if operation == "alloc" else ():
                    one.dumps()
                around += (process_time() - begin) / len(given[:REQUESTS])
            for jobid in range(len(given)):
                pool.free(jobid)
            pool.drop_reservations()
        out |= {"jobs": len(given), "a_second": round(1 / best, 1), "mean_us": round(1e6 * spent / done, 2)}
        if operation == "alloc":
            out["text_a_second"] = round(1 / (best + around), 1)
    print(json.dumps(out))


def machine(folder: str, nodes: int, *, small: bool = False) -> Path:
    """The file of a machine, made if it is not there, in a process of its own: what that needs is several times the text."""
    path = Path(folder) / f"{nodes}{'-small' * small}.json"
    if not path.exists():
        code = (
            "import sys, pathlib, graph_load as machine; machine.SOCKETS, machine.CORES, machine.GPUS = map(int, sys.argv[3:]); "
            "machine.write_machine(pathlib.Path(sys.argv[1]), int(sys.argv[2]))"
        )
        numbers = map(str, (nodes, *(SMALL if small else (SOCKETS, CORES, GPUS))))
        subprocess.run([sys.executable, "-c", code, str(path), *numbers], check=True, cwd=Path(__file__).parent)
    return path


def run(folder: str, nodes: int, *words: object, small: bool = False) -> dict[str, Any]:
    path = machine(folder, nodes, small=small)
    command = [sys.executable, __file__, str(path), *map(str, words)]
    return dict(json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout))


def measure(*, quick: bool = False) -> dict[str, Any]:
    rows, sameness = [], []
    with tempfile.TemporaryDirectory(prefix="fluxplug-bench-") as folder:
        load = {**LOAD, "nodes": min(LOAD["nodes"], 1_000) if quick else LOAD["nodes"]}
        found = run(folder, load["nodes"], "first", "alloc", "node", 0, 0)
        load |= {"seconds": round(found["load"], 3), "peak_mb": found["load_mb"]}
        for name, (policy, nodes, operation, what, jobs, fluxion, aim, memory) in ROWS.items():
            size, most = (1_000, 15 if what == "nodes" else 100) if quick else (nodes, jobs)
            found = run(folder, size, policy, operation, what, most, 0 if quick else 0.5)
            rows.append({"name": name, "nodes": size, **found, "fluxion": fluxion, "aim": aim, "memory": memory})
        sizes = SIZES[:2] if quick else SIZES
        for policy in SAMENESS[: 1 if quick else None]:
            times = [run(folder, nodes, policy, "alloc", "node", nodes, 0.5, small=True)["mean_us"] for nodes in sizes]
            ratios = [round(one / times[0], 2) for one in times]
            sameness.append({"policy": policy, "nodes": sizes, "microseconds": times, "times": ratios})
    return {"load": load, "rows": rows, "sameness": sameness}


def show(result: dict[str, Any]) -> None:
    load = result["load"]
    told = ", ".join(
        f"{name} {seconds} s and {mb:,} MB"
        for name, (seconds, mb) in (("Fluxion", load["fluxion"]), ("aim", load["aim"]))
    )
    print(f"load {load['nodes']:,} nodes: {load['seconds']} s, peak {load['peak_mb']} MB ({told})")
    print(
        f"{'':24}{'nodes':>8}{'a second':>12}{'fluxion':>10}{'aim':>10}{'text':>10}{'peak MB':>9}{'fluxion':>9}{'aim':>6}"
    )
    for one in result["rows"]:
        figures = f"{one['a_second']:>12,.0f}{one['fluxion']:>10,}{one['aim']:>10,}"
        text = f"{one['text_a_second']:,.0f}" if "text_a_second" in one else ""
        memory = "{:>9,}{:>6,}".format(*one["memory"]) if one["memory"] else ""
        print(f"{one['name']:24}{one['nodes']:>8,}{figures}{text:>10}{one['peak_mb']:>9}{memory}")
    for one in result["sameness"]:
        times = ", ".join(f"{time} at {nodes:,}" for nodes, time in zip(one["nodes"], one["times"], strict=True))
        print(f"one node, {one['policy']:14} {one['microseconds'][0]} us at {one['nodes'][0]}, times {times}")


if __name__ == "__main__":
    child(*sys.argv[1:])
