"""Whether a server stays as small as it is: jobs run through it (pretended), the last 1,000 are kept; its memory and its store at a quarter, at half and in the end.

    python bench/instance_soak.py [--jobs N]

Not among `make bench`'s: it measures no speed. Ends with 1 where the second half made it grow by more than a tenth (and a little).
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from fluxplug.client import Client
from fluxplug.testing.executors import task_jobspec

CONFIG = """\
[sched]
executor = "pretend"

[instance]
inactive-num-limit = 1000

[resource]
nodes = 64
cores = 16
"""
BULK = 500
IN_FLIGHT = 4000
SLACK = 8 << 20
"""Bytes that come and go: what allocators keep, and the write-ahead log between two checkpoints."""


def figures(server: subprocess.Popen[str], client: Client) -> tuple[int, int, int]:
    """(jobs that have ended, bytes of memory, bytes of the store)."""
    stats = client.get("/v1/stats")
    pages = int(Path(f"/proc/{server.pid}/statm").read_text(encoding="ascii").split()[1])
    jobs = stats["jobs"]
    return jobs["inactive"] + jobs["inactive_purged"], pages * os.sysconf("SC_PAGE_SIZE"), stats["store"]["bytes"]


def soak(total: int, folder: Path) -> bool:
    config = folder / "sched.toml"
    config.write_text(CONFIG, encoding="utf-8")
    words = [sys.executable, "-m", "fluxplug", "start", "--config", str(config), "--statedir", str(folder / "state")]
    server = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        client = Client(server.stdout.readline().strip(), timeout=120)
        spec = task_jobspec("true")
        sent, marks, seen = 0, [total // 4, total // 2, total], []
        began = time.monotonic()
        while marks:
            ended, memory, store = figures(server, client)
            if ended >= marks[0]:
                seen.append((ended, memory, store))
                rate = ended / (time.monotonic() - began)
                print(
                    f"{ended:>9} jobs: {memory / 2**20:7.1f} MiB of memory, {store / 2**20:7.1f} MiB of store ({rate:.0f} jobs/s)",
                    flush=True,
                )
                marks.pop(0)
            elif sent < total and sent - ended < IN_FLIGHT:
                client.post("/v1/jobs", {"jobs": [{"jobspec": spec}] * min(BULK, total - sent)})
                sent += min(BULK, total - sent)
            else:
                time.sleep(0.02)
    finally:
        server.terminate()
        server.wait(60)
    _, half, end = seen
    grown = [name for place, name in ((1, "memory"), (2, "store")) if end[place] > 1.1 * half[place] + SLACK]
    print("flat" if not grown else f"{' and '.join(grown)} grew from half to the end")
    return not grown


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=20_000, help="how many (default: %(default)s)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        return 0 if soak(args.jobs, Path(folder)) else 1


if __name__ == "__main__":
    sys.exit(main())
