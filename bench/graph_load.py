"""Loading 10,000 nodes from JGF into the C core: time, and the peak memory of the process, against json.loads of the same text.

Racks of 20 nodes with 2 sockets, 44 cores and 4 GPUs each, 510,501 vertices; the text counts in the memory. Fluxion took 6.7 s and 2,229 MB on a 2-core
machine; the aim is 0.7 s and 220 MB. json.loads is a bound on what a reader in Python could do: it makes objects and builds no graph.
"""

from __future__ import annotations

import json
import mmap
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

NODES, RACK = 10_000, 20
SOCKETS, CORES, GPUS = 2, 22, 2  # cores and GPUs a socket
FLUXION = {"seconds": 6.7, "peak_mb": 2229}
AIM = {"seconds": 0.7, "peak_mb": 220}


def write_machine(path: Path, nodes: int) -> int:
    """Writes the machine as `find` prints it (children after parents, usual keys left out); returns the number of vertices."""
    vertices: list[str] = []
    edges: list[str] = []

    def add(parent: int, prefix: str, kind: str, number: int, rank: int) -> tuple[int, str]:
        index, name = len(vertices), f"{prefix}/{kind}{number}"
        vertices.append(
            f'{{"id": "{index}", "metadata": {{"type": "{kind}", "id": {number}, "rank": {rank}, '
            f'"paths": {{"containment": "{name}"}}}}}}'
        )
        if parent >= 0:
            edges.append(f'{{"source": "{parent}", "target": "{index}"}}')
        return index, name

    root = add(-1, "", "cluster", 0, -1)
    rack = root
    for rank in range(nodes):
        if rank % RACK == 0:
            rack = add(*root, "rack", rank // RACK, -1)
        node = add(*rack, "node", rank, rank)
        for socket in range(SOCKETS):
            place = add(*node, "socket", socket, rank)
            for kind, count in (("core", CORES), ("gpu", GPUS)):
                for i in range(count):
                    add(*place, kind, socket * count + i, rank)
    with path.open("w", encoding="utf-8") as file:
        file.write(f'{{"graph": {{"nodes": [{", ".join(vertices)}], "edges": [{", ".join(edges)}]}}}}\n')
    return len(vertices)


def peak_mb() -> int:
    """The peak of this process; that of getrusage begins with what the parent had before exec."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) // 1024


def child(how: str, path: str) -> None:
    """One way of loading, in a process of its own; prints what it took."""
    from fluxplug.clock import stopwatch  # noqa: PLC0415 - the parent's memory must not count

    out: dict[str, Any] = {"reader": how}
    with Path(path).open("rb") as file:
        if how == "json.loads":
            text = file.read()
            begin = stopwatch()
            json.loads(text)
            out["seconds"] = stopwatch() - begin
        elif how == "read alone":
            begin = stopwatch()
            file.read()
            out["seconds"] = stopwatch() - begin
        else:
            from fluxplug_pool_graph.core import Graph  # noqa: PLC0415

            data = file.read() if how == "Graph, bytes" else mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            begin = stopwatch()
            graph = Graph.from_jgf(data)
            out["seconds"] = stopwatch() - begin
            out["bytes_a_vertex"] = round(graph.nbytes / len(graph), 1)
    out["peak_mb"] = peak_mb()
    print(json.dumps(out))


def measure(*, quick: bool = False) -> dict[str, Any]:
    rows = []
    with tempfile.TemporaryDirectory(prefix="fluxplug-bench-") as folder:
        path = Path(folder) / "machine.json"
        vertices = write_machine(path, NODES // 50 if quick else NODES)
        for how in ("read alone", "Graph, bytes", "Graph, mapped file", "json.loads"):
            runs = []
            for _ in range(1 if quick else 3):
                command = [sys.executable, __file__, how, str(path)]
                done = subprocess.run(command, check=True, capture_output=True, text=True)
                runs.append(json.loads(done.stdout))
            rows.append(min(runs, key=lambda run: run["seconds"]))
        size = path.stat().st_size
    return {"vertices": vertices, "text_mb": round(size / 2**20, 1), "fluxion": FLUXION, "aim": AIM, "rows": rows}


def show(result: dict[str, Any]) -> None:
    print(f"{result['vertices']} vertices, {result['text_mb']} MB of text")
    print(f"{'':22}{'seconds':>9}{'peak MB':>9}{'bytes a vertex':>16}")
    for row in result["rows"]:
        print(f"{row['reader']:22}{row['seconds']:>9.3f}{row['peak_mb']:>9}{row.get('bytes_a_vertex', '-'):>16}")
    for name in ("fluxion", "aim"):
        print(f"{name + ' (10,000 nodes)':22}{result[name]['seconds']:>9}{result[name]['peak_mb']:>9}")


if __name__ == "__main__":
    child(*sys.argv[1:])
