"""Chaos: a server is killed at random instants, again and again, while clients keep it busy; in the end every job must have had one outcome.

    python tests/chaos/chaos.py [--kills N] [--minutes M] [--jobs N] [--seed S] ...

Processes append their job's id to a file, so that it is known what ran, and how often. The state directory is on a small disk of its own where
mounting is permitted, and it is filled up at times; the wall clock of server and agents jumps; agents are killed too; clients vanish and send garbage.
Ends with 0 where everything held, else with 1 and the first faults.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import clients
import verdict
from world import BrokenError, World

from fluxplug.client import Client
from fluxplug.errors import FluxplugError

JUMPS = (-86400 * 400, -86400, -3600, -60, -1, 1, 60, 3600, 86400, 86400 * 400)


class Chaos:
    """One run."""

    def __init__(self, args, world):
        self.args, self.world = args, world
        self.random = random.Random(args.seed)
        self.counts = Counter()
        self.kills = 0
        self.life = args.life

    def run(self):
        limit = time.monotonic() + self.args.minutes * 60 if self.args.minutes else float("inf")
        self.begin()
        while self.kills < self.args.kills and time.monotonic() < limit:
            self.one_life()
            if self.counts["lives"] % self.args.replay_every == 0:
                self.counts["jobs in flight, most"] = max(
                    self.counts["jobs in flight, most"], verdict.replay(self.world)
                )
                self.counts["replays"] += 1
            self.begin()
            if self.args.verbose and self.counts["lives"] % 10 == 0:
                print(f"{self.kills} kills, {dict(self.counts)}", flush=True)

    def begin(self):
        """Start the server; a part of the time it is killed while it starts."""
        self.counts["lives"] += 1
        dice = self.random.random
        while self.kills < self.args.kills and dice() < 0.25:
            self.world.start()
            time.sleep(dice() * self.world.ready_in * 1.2)
            self.world.kill()
            self.counts["kills at start"] += 1
            self.kills += 1
        if not self.world.no_disk and dice() < 0.06:
            with self.world.full_disk():
                self.world.start()
                ready = self.world.wait()
                self.counts["starts on a full disk"] += 1
                time.sleep(dice())
            if ready:
                return
            self.counts["starts refused on a full disk"] += 1
        self.world.start()
        if not self.world.wait():
            raise BrokenError(f"the server does not start: exit code {self.world.server.returncode}")

    def one_life(self):
        """What happens until the kill."""
        dice = self.random.random
        self.pause(min(self.random.expovariate(2 / self.life), 5 * self.life))
        if dice() < 0.3:
            self.kill_agent()
        if dice() < 0.1:
            self.world.jump(self.random.choice(JUMPS) * dice())
            self.counts["clock jumps"] += 1
        if dice() < 0.1 and not self.world.no_disk:
            with self.world.full_disk():
                self.pause(dice() * 1.5)
                self.counts["full disks"] += 1
                if dice() < 0.3:
                    self.kill_server()
                    return
        self.pause(dice() * self.life)
        self.kill_server()

    def pause(self, seconds):
        """The server must not end by itself meanwhile."""
        time.sleep(seconds)
        if self.world.server.poll() is not None:
            raise BrokenError(f"the server has ended by itself, exit code {self.world.server.returncode}")

    def kill_server(self):
        self.world.kill()
        self.counts["kills of the server"] += 1
        self.kills += 1

    def kill_agent(self):
        agents = self.world.agents()
        if agents:
            with suppress(ProcessLookupError):
                os.kill(self.random.choice(agents), signal.SIGKILL)
                self.counts["kills of an agent"] += 1
                self.kills += 1
            self.pause(0.2 * self.random.random())

    def settle(self):
        """Let what is there come to its end: the most of what waits is cancelled, so that it does not take for ever."""
        client = Client(self.world.uri, timeout=120)
        waiting = client.post(
            "/v1/jobs/list", {"max_entries": 0, "attrs": ["state"], "constraint": {"states": ["pending"]}}, again=True
        )["jobs"]
        ids = [one["id"] for one in waiting]
        self.counts["jobs in flight, most"] = max(self.counts["jobs in flight, most"], len(ids))
        self.random.shuffle(ids)
        client.post("/v1/jobs/raise", {"ids": ids[self.args.left :], "note": "the end"})
        until = time.monotonic() + 60 + 0.1 * self.args.left
        while True:
            jobs = client.get("/v1/stats")["jobs"]
            if jobs["total"] == jobs["inactive"]:
                return
            if time.monotonic() > until:
                left = client.post("/v1/jobs/list", {"constraint": {"states": ["active"]}}, again=True)["jobs"]
                raise BrokenError(f"{len(left)} jobs do not end, as {left[:5]}")
            if any(
                one["urgency"] == 0
                for one in client.post("/v1/jobs/list", {"constraint": {"states": ["pending"]}}, again=True)["jobs"]
            ):
                client.post("/v1/jobs/raise", {"states": ["pending"], "note": "held for ever"})
            time.sleep(0.2)

    def end(self):
        """A proper end of the server."""
        Client(self.world.uri).post("/v1/shutdown", {"reason": "chaos is over"})
        code = self.world.server.wait(60)
        if code:
            raise BrokenError(f"the server has ended with {code}")
        self.world.bury()
        if self.world.agents():
            raise BrokenError("agents are left")


def log_faults(world):
    """Tracebacks of server or agents, and bugs that the instance has logged."""
    faults = []
    for path in [world.errors, *sorted((world.statedir / "agents").glob("*.log"))]:
        text = path.read_text(encoding="utf-8", errors="replace")
        if "Traceback" in text:
            start = text.index("Traceback")
            faults.append(f"{path.name}: {text.count('Traceback')} tracebacks, the first: {text[start : start + 3000]}")
    log = world.statedir / "log"
    known = ("lost contact with agent", "cannot be written", "does not start", "store.sqlite")
    for text in log.read_text(encoding="utf-8").splitlines() if log.exists() else ():
        try:
            line = json.loads(text)
        except ValueError:  # cut off by a full disk
            continue
        if line["name"] == "error" and not any(part in line["context"]["message"] for part in known):
            faults.append(f"log: {line['context']['message'][:3000]}")
    return faults


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--kills", type=int, default=200, help="end after so many (default: %(default)s)")
    add("--minutes", type=float, default=0, help="or after so many minutes")
    add("--seed", type=int, default=None, help="of everything that is chosen (default: another each time)")
    add("--jobs", type=int, default=10000, help="jobs in flight (default: %(default)s)")
    add("--clients", type=int, default=4, help="submitting processes (default: %(default)s)")
    add("--life", type=float, default=1.5, help="seconds that a server lives, about (default: %(default)s)")
    add("--left", type=int, default=1000, help="pending jobs that still run at the end (default: %(default)s)")
    add("--hosts", type=int, default=4, help="pretended hosts (default: %(default)s)")
    add("--cores", type=int, default=8, help="cores of each (default: %(default)s)")
    add(
        "--disk",
        type=int,
        default=2048,
        help="MiB of the disk of the state directory; 0: where it is, and never full (default: %(default)s)",
    )
    add("--durability", choices=("power", "process"), default="process")
    add("--executor", default="local", help="local or pretend (default: %(default)s)")
    add(
        "--replay-every",
        type=int,
        default=8,
        metavar="N",
        help="check a replay after each Nth kill (default: %(default)s)",
    )
    add("--folder", help="where the run keeps its files (default: a temporary one, kept only where something is wrong)")
    add("--verbose", action="store_true")
    return parser.parse_args()


def main():
    args = arguments()
    args.seed = random.SystemRandom().randrange(10**6) if args.seed is None else args.seed
    folder = Path(args.folder or tempfile.mkdtemp(prefix="chaos-"))
    folder.mkdir(exist_ok=True)
    began = time.monotonic()
    world = World(
        folder, size=args.hosts, cores=args.cores, durability=args.durability, executor=args.executor, disk=args.disk
    )
    world.executes = args.executor == "local"
    print(
        f"chaos: seed {args.seed}, in {folder}" + (f"; no full disk: {world.no_disk}" if world.no_disk else ""),
        flush=True,
    )
    chaos = Chaos(args, world)
    stopping = multiprocessing.Event()
    kinds = [("follow", -1), *(("submit", number) for number in range(args.clients))]
    processes = [
        multiprocessing.Process(
            target=clients.main, args=(kind, world, number, args.seed, args.jobs, stopping), daemon=True
        )
        for kind, number in kinds
    ]
    faults, counts = [], Counter()
    try:
        for process in processes:
            process.start()
        chaos.run()
        stopping.set()
        for process in processes[1:]:
            process.join(100)
            if process.is_alive():
                faults.append("a client hangs")
        chaos.settle()
        chaos.end()
        processes[0].join(30)
        verdict.replay(world)
        found, counts = verdict.judge(world)
        faults += found
    except (BrokenError, FluxplugError, OSError, AssertionError) as error:
        faults.append(f"{type(error).__name__}: {error}")
    finally:
        stopping.set()
        for process in processes:
            if process.is_alive():
                process.kill()
        world.end_everything()
    with suppress(OSError):
        faults += log_faults(world)
    print(f"{chaos.kills} kills, {counts['stored jobs']} jobs in {time.monotonic() - began:.0f} s, seed {args.seed}")
    for title, table in (("done to it", chaos.counts), ("by clients and jobs", counts)):
        print(f"{title}: " + ", ".join(f"{key} {table[key]}" for key in sorted(table)))
    for fault in faults[:20]:
        print("FAULT", fault[:4000])
    if faults:
        print(f"{len(faults)} faults; see {folder}")
        if not world.no_disk:
            shutil.copytree(
                world.statedir, folder / "state", ignore=shutil.ignore_patterns("*.sock", "local-0"), dirs_exist_ok=True
            )
        return 1
    print("everything holds")
    if args.folder is None:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
