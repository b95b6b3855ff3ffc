"""Peak memory of simulating 300,000 generated jobs on 256 one-core nodes, in a process of its own; the aim is below 600 MB."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

JOBS, WIDTH, AIM_MB = 300_000, 256, 600


def child(path: str, policy: str) -> None:
    """Simulate, and print what it took."""
    import simulation  # noqa: PLC0415 - the parent's memory must not count

    rate, schedule = simulation.simulate(Path(path), WIDTH, policy, "nodes")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(json.dumps({"jobs": len(schedule), "peak_mb": peak, "jobs_per_second": round(rate)}))


def measure(*, quick: bool = False) -> list[dict[str, Any]]:
    from fluxplug.sim.lublin import Lublin  # noqa: PLC0415
    from fluxplug.sim.workload import write_swf  # noqa: PLC0415

    rows = []
    with tempfile.TemporaryDirectory(prefix="fluxplug-bench-") as folder:
        path = Path(folder) / "lublin.swf"
        with path.open("w", encoding="utf-8") as stream:
            write_swf(Lublin(Lublin.Config(max_size=WIDTH, load=0.8)), JOBS // 10 if quick else JOBS, 1, stream)
        for policy in ("easy",) if quick else ("fcfs", "easy", "conservative"):
            done = subprocess.run(
                [sys.executable, __file__, str(path), policy], check=True, capture_output=True, text=True
            )
            rows.append({"policy": policy, **json.loads(done.stdout), "aim_mb": AIM_MB})
    return rows


def show(rows: list[dict[str, Any]]) -> None:
    print(f"{'policy':14}{'jobs':>9}{'peak MB':>9}{'aim MB':>8}{'jobs/s':>9}")
    for row in rows:
        print(f"{row['policy']:14}{row['jobs']:>9}{row['peak_mb']:>9}{row['aim_mb']:>8}{row['jobs_per_second']:>9}")


if __name__ == "__main__":
    child(*sys.argv[1:])
