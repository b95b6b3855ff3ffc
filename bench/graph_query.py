"""`fluxplug resource-query` as a whole process, text in and out: matches a second, against Fluxion's resource-query on a 2-core machine.

A file of commands is its standard input, each `match` names a jobspec file, what it prints is read to the end. Seconds are those of the processor, of the child and less those of a child that
only loads the graph and quits: reading the line, the jobspec in YAML, matching, the result and its text are in them. Matching is not that of the pool: visits are counted as the original
counts them, so a policy that scores all candidates looks at all of them. The graph is loaded in Python here, whole and with all its names, so the machine is smaller than that of graph_match.

Racks of 20 nodes with 2 sockets, 44 cores and 4 GPUs each.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from graph_match import machine

from fluxplug.clock import stopwatch

MIXED = [(1 + place * 37 % 64, "node") for place in range(64)]
#: name: policy, nodes, operation, how many of what in a slot each, how many jobs; Fluxion's figure, matches a second, and at how many nodes.
ROWS: dict[str, tuple[str, int, str, list[tuple[int, str]], int, float, int]] = {
    "first, 1 core": ("first", 1_000, "allocate", [(1, "core")], 5_000, 8_500, 1_000),
    "first, 1 node": ("first", 1_000, "allocate", [(1, "node")], 1_000, 4_700, 10_000),
    "first, 64 nodes": ("first", 1_000, "allocate", [(64, "node")], 15, 168, 10_000),
    "low, 1 core": ("low", 1_000, "allocate", [(1, "core")], 500, 21, 1_000),
    "low, 1 node": ("low", 1_000, "allocate", [(1, "node")], 1_000, 2.6, 10_000),
    "lonode, 1 node": ("lonode", 1_000, "allocate", [(1, "node")], 1_000, 2.6, 10_000),
    "variation, 1 node": ("variation", 1_000, "allocate", [(1, "node")], 1_000, 10, 1_000),
    "reserve, mixed": ("first", 1_000, "allocate_orelse_reserve", MIXED, 1_000, 168, 1_000),
    "reserve, 64 nodes": ("first", 1_000, "allocate_orelse_reserve", [(64, "node")], 500, 45, 1_000),
    "satisfiability, 1,000": ("first", 1_000, "satisfiability", [(1_000, "node")], 500, 172, 1_000),
}
PROGRAM = "import sys; from fluxplug.cli.main import main; sys.exit(main(sys.argv[1:]))"


def process(graph: Path, policy: str, commands: str) -> tuple[float, float, int, str]:
    """Wall and processor seconds and the peak in MB of one resource-query, and what it printed."""
    command = [
        sys.executable,
        "-c",
        PROGRAM,
        "resource-query",
        "-L",
        str(graph),
        "-f",
        "jgf",
        "-P",
        policy,
        "-F",
        "simple",
        "-d",
    ]
    with tempfile.TemporaryFile("w+") as lines, tempfile.TemporaryFile("w+") as out:
        lines.write(commands + "quit\n")
        lines.seek(0)
        begin = stopwatch()
        child = subprocess.Popen(command, stdin=lines, stdout=out)
        _, status, used = os.wait4(child.pid, 0)
        wall = stopwatch() - begin
        child.returncode = os.waitstatus_to_exitcode(status)
        assert child.returncode == 0, child.returncode
        out.seek(0)
        return wall, used.ru_utime + used.ru_stime, used.ru_maxrss // 1024, out.read()


def best(graph: Path, policy: str, commands: str, runs: int) -> tuple[float, float, int, str]:
    return min((process(graph, policy, commands) for _ in range(runs)), key=lambda found: found[1])


def jobspec(folder: Path, count: int, kind: str, duration: int) -> Path:
    """A file with a request for so many slots of one each."""
    path = folder / f"{count}-{kind}-{duration}.yaml"
    resources = f"resources:\n  - {{type: slot, count: {count}, label: s, with: [{{type: {kind}, count: 1}}]}}\n"
    tasks = "tasks:\n  - {command: [app], slot: s, count: {per_slot: 1}}\n"
    attributes = f"attributes: {{system: {{duration: {duration}}}}}\n"
    path.write_text(f"version: 1\n{resources}{tasks}{attributes}", encoding="utf-8")
    return path


def measure(*, quick: bool = False) -> dict[str, Any]:
    rows: list[dict[str, Any]] = []
    loads: dict[tuple[str, int], tuple[float, float, int]] = {}
    with tempfile.TemporaryDirectory(prefix="fluxplug-bench-") as name:
        folder = Path(name)
        for row, (policy, nodes, operation, what, jobs, fluxion, fluxion_nodes) in ROWS.items():
            size, most = (nodes // 5, max(2, jobs // 50)) if quick else (nodes, jobs)
            graph = machine(name, size)
            if (policy, size) not in loads:
                loads[policy, size] = best(graph, policy, "", 1 if quick else 3)[:3]
            files = [
                jobspec(folder, min(count, size), kind, 600 + 60 * (place % 7) if len(what) > 1 else 3600)
                for place, (count, kind) in enumerate(what)
            ]
            lines = [f"match {operation} {files[job % len(files)]}\n" for job in range(most)]
            wall, cpu, peak, text = best(graph, policy, "".join(lines), 1 if quick else 2)
            done = text.count("INFO: RESOURCES=") + text.count("INFO: Satisfiable")
            assert done == most, (row, done, most)
            bare_wall, bare_cpu, _ = loads[policy, size]
            rows.append(
                {
                    "name": row,
                    "nodes": size,
                    "matches": most,
                    "wall": round(wall - bare_wall, 3),
                    "cpu": round(cpu - bare_cpu, 3),
                    "a_second": round(most / max(cpu - bare_cpu, 1e-3), 1),
                    "text_kb_a_match": round(len(text) / 1024 / most, 1),
                    "peak_mb": peak,
                    "fluxion": fluxion,
                    "fluxion_nodes": fluxion_nodes,
                }
            )
    found = [
        {"policy": policy, "nodes": size, "wall": round(wall, 3), "cpu": round(cpu, 3), "peak_mb": peak}
        for (policy, size), (wall, cpu, peak) in loads.items()
    ]
    return {"loads": found, "rows": rows}


def show(result: dict[str, Any]) -> None:
    for one in result["loads"]:
        print(f"{one['nodes']:,} nodes and no command, {one['policy']}: {one['cpu']:.2f} s, peak {one['peak_mb']} MB")
    print(
        f"{'':24}{'nodes':>8}{'matches':>9}{'seconds':>9}{'wall':>9}{'a second':>10}{'fluxion':>9}{'at nodes':>10}{'KB':>8}{'peak MB':>9}"
    )
    for one in result["rows"]:
        figures = f"{one['matches']:>9,}{one['cpu']:>9.2f}{one['wall']:>9.2f}{one['a_second']:>10,.0f}{one['fluxion']:>9,}{one['fluxion_nodes']:>10,}"
        print(f"{one['name']:24}{one['nodes']:>8,}{figures}{one['text_kb_a_match']:>8}{one['peak_mb']:>9}")
