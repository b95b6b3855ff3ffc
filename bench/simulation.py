"""Simulated jobs a second: three real logs (or a generated one where they are missing), three policies, two forms of the machine.

Bound: `bare`, the same schedule by a bare loop in the same process; its starts must be the same. Peers are figures that others were measured
at on a 2-core machine, on the same logs, one node of many cores.
"""

from __future__ import annotations

import gc
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import bare
from fluxplug_policy_backfill import Conservative, Easy
from fluxplug_policy_fcfs import Fcfs
from fluxplug_pool_rv1.pool import Rv1Pool

from fluxplug.clock import ManualClock, stopwatch
from fluxplug.config import default_config
from fluxplug.engine.engine import Engine
from fluxplug.ingest import Ingest
from fluxplug.sim.lublin import Lublin
from fluxplug.sim.schedule import Schedule
from fluxplug.sim.simulator import Simulator
from fluxplug.sim.traces.swf import SwfTrace
from fluxplug.sim.workload import write_swf

SHARED = Path(os.environ.get("FLUXPLUG_SHARED", Path(__file__).resolve().parents[2] / "shared"))
LOGS = {
    "KTH": ("KTH-SP2-1996-2.1-cln.swf.gz", 100),
    "CTC": ("CTC-SP2-1996-3.1-cln.swf.gz", 338),
    "LANL": ("LANL-CM5-1994-4.1-cln.swf.gz", 1024),
}
POLICIES = {"fcfs": Fcfs, "easy": Easy, "conservative": Conservative}
PEERS = {  # pyss, jobs a second
    ("easy", "KTH"): 7200, ("easy", "CTC"): 730, ("easy", "LANL"): 5200,
    ("conservative", "KTH"): 3500, ("conservative", "CTC"): 200, ("conservative", "LANL"): 3400,
}  # fmt: skip
AIMS = {("easy", "cores"): 20_000, ("easy", "nodes"): 7_000, ("conservative", "cores"): 5_000}


def logs() -> dict[str, tuple[Path, int]]:
    """The logs to measure: name to file and width."""
    found = {name: (SHARED / "data" / "swf" / file, width) for name, (file, width) in LOGS.items()}
    if all(path.is_file() for path, _ in found.values()):
        return found
    path = Path(tempfile.mkdtemp(prefix="fluxplug-bench-")) / "lublin.swf"
    with path.open("w", encoding="utf-8") as stream:
        write_swf(Lublin(Lublin.Config(max_size=128)), 20_000, 1, stream)
    return {"lublin": (path, 128)}


def machine(width: int, form: str) -> dict[str, Any]:
    """`width` cores: on one node, or as so many nodes."""
    nodes, cores = (1, width) if form == "cores" else (width, 1)
    lite = [
        {"rank": f"0-{nodes - 1}" if nodes > 1 else "0", "children": {"core": f"0-{cores - 1}" if cores > 1 else "0"}}
    ]
    return {"version": 1, "execution": {"R_lite": lite, "nodelist": [f"n[0-{nodes - 1}]"]}}


def simulate(path: Path, width: int, policy: str, form: str) -> tuple[float, Schedule]:
    """Jobs a second from file to schedule, and the schedule."""
    clock = ManualClock(0)
    pool = Rv1Pool(machine(width, form), clock=clock)
    engine = Engine(pool, {"": (POLICIES[policy](), None)}, clock=clock, log=False)
    config = default_config()
    schedule = Schedule(policy, width, 1 if form == "cores" else width)
    simulator = Simulator(engine, Ingest(config, pool), SwfTrace().jobs(path, width), schedule=schedule)
    gc.collect()
    begin = stopwatch()
    simulator.run()
    return len(schedule) / (stopwatch() - begin), schedule


def bound(path: Path, width: int, policy: str) -> tuple[float, list[float]]:
    """Jobs a second of the bare loop, from file to starts."""
    begin = stopwatch()
    jobs = [(job.submit, job.run, job.limit, job.width) for job in SwfTrace().jobs(path, width)]
    starts = getattr(bare, policy)(jobs, width)
    return len(jobs) / (stopwatch() - begin), starts


def measure(*, quick: bool = False) -> list[dict[str, Any]]:
    """A row a log, policy and form."""
    rows = []
    for name, (path, width) in logs().items():
        if quick and name not in {"KTH", "lublin"}:
            continue
        for policy in POLICIES:
            least, starts = bound(path, width, policy) if policy != "fcfs" else (None, None)
            for form in ("cores", "nodes"):
                rate, schedule = simulate(path, width, policy, form)
                if starts is not None and list(schedule.start) != starts:
                    sys.exit(f"{name} {policy} {form}: the schedules of the engine and of the bare loop differ")
                rows.append(
                    {
                        "log": name,
                        "policy": policy,
                        "machine": f"1 node of {width} cores" if form == "cores" else f"{width} nodes of 1 core",
                        "jobs_per_second": round(rate),
                        "bare": None if least is None else round(least),
                        "peer": PEERS.get((policy, name)),
                        "aim": AIMS.get((policy, form)),
                    }
                )
    return rows


def show(rows: list[dict[str, Any]]) -> None:
    print(f"{'log':8}{'policy':14}{'machine':22}{'jobs/s':>8}{'bare':>8}{'ratio':>7}{'pyss':>7}{'ratio':>7}{'aim':>8}")
    for row in rows:
        rate, least, peer = row["jobs_per_second"], row["bare"], row["peer"]
        print(
            f"{row['log']:8}{row['policy']:14}{row['machine']:22}{rate:>8}{least or '-':>8}"
            f"{f'{rate / least:.2f}' if least else '-':>7}{peer or '-':>7}{f'{rate / peer:.1f}' if peer else '-':>7}{row['aim'] or '-':>8}"
        )
