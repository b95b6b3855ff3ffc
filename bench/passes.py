"""The cost of one event and its pass while 1,000, 10,000 and 100,000 jobs are pending that the event cannot help.

The machine has 1,024 one-core nodes. Two long jobs and 100 of one node hold all but 28; the pending jobs ask for 512 to 1,024 nodes. The
events: a job of one node ends early; one comes and starts beside the queue (not under fcfs); a wide job comes and has to wait. Figure:
microseconds an event with its pass, the median of many; and its growth from the shortest queue to the longest.
"""

from __future__ import annotations

from statistics import median
from typing import Any

from fluxplug_policy_backfill import Conservative, Easy, Hybrid
from fluxplug_policy_fcfs import Fcfs
from fluxplug_pool_rv1.pool import Rv1Pool

from fluxplug.clock import ManualClock, stopwatch
from fluxplug.engine import events as ev
from fluxplug.engine.engine import Engine

NODES = 1024
SMALL = 100
PENDING = (1_000, 10_000, 100_000)
POLICIES = {
    "fcfs": Fcfs,
    "easy": Easy,
    "hybrid": Hybrid,
    "conservative": lambda: Conservative(Conservative.Config(max_reservation_depth=10**6)),
}


def request(pool: Rv1Pool, nodes: int, limit: float) -> Any:
    slot = {"type": "slot", "count": nodes, "label": "task", "with": [{"type": "core", "count": 1}]}
    jobspec = {"version": 1, "resources": [slot], "attributes": {"system": {"duration": 0}}}
    return pool.parse_resource_request(jobspec).with_duration(limit)


def loaded(policy: str, pending: int) -> tuple[Engine, Rv1Pool]:
    """An engine with so many jobs waiting."""
    clock = ManualClock(0)
    lite = [{"rank": f"0-{NODES - 1}", "children": {"core": "0"}}]
    pool = Rv1Pool({"version": 1, "execution": {"R_lite": lite, "nodelist": [f"n[0-{NODES - 1}]"]}}, clock=clock)
    engine = Engine(pool, {"": (POLICIES[policy](), None)}, clock=clock, log=False)
    engine.handle(ev.Submit(0, 1, request(pool, NODES // 2, 10**6)))
    engine.handle(ev.Submit(0, 2, request(pool, NODES // 2 - SMALL - 28, 2 * 10**6)))
    for i in range(SMALL):
        engine.handle(ev.Submit(0, 10**7 + i, request(pool, 1, 5 * 10**5)))
    engine.handle(ev.Pass(0))
    widths = [request(pool, NODES // 2 + 16 * k, 1) for k in range(33)]
    for i in range(pending):
        engine.handle(ev.Submit(1, 10 + i, widths[i * 7 % 33].with_duration(3600 * (1 + i % 24))))
    engine.handle(ev.Pass(1))
    return engine, pool


def event_costs(policy: str, pending: int, repeat: int) -> dict[str, float]:
    """Median microseconds of each event with its pass."""
    engine, pool = loaded(policy, pending)
    small, wide = request(pool, 1, 600), request(pool, NODES // 2, 3600)
    spent: dict[str, list[float]] = {}
    now = 10
    for i in range(repeat):
        events = [
            ("a small job ends early", ev.Ended(now, 10**7 + i)),
            ("a small job comes and starts", ev.Submit(now + 1, 2 * 10**7 + i, small)),
            ("a wide job comes and waits", ev.Submit(now + 2, 3 * 10**7 + i, wide)),
        ]
        if policy == "fcfs":
            del events[1]
        for name, event in events:
            begin = stopwatch()
            engine.handle(event)
            engine.handle(ev.Pass(event.time))
            spent.setdefault(name, []).append(stopwatch() - begin)
        now += 3
    return {name: 1e6 * median(times) for name, times in spent.items()}


def measure(*, quick: bool = False) -> list[dict[str, Any]]:
    rows = []
    for policy in POLICIES:
        by_pending = {
            pending: event_costs(policy, pending, 20 if quick else 60) for pending in PENDING[: 2 if quick else 3]
        }
        for name in next(iter(by_pending.values())):
            costs = {pending: round(figures[name], 1) for pending, figures in by_pending.items()}
            first, *_, last = costs.values()
            rows.append({"policy": policy, "event": name, "microseconds": costs, "growth": round(last / first, 2)})
    return rows


def show(rows: list[dict[str, Any]]) -> None:
    print(f"{'policy':14}{'event':30}" + "".join(f"{pending:>11,}" for pending in PENDING) + f"{'growth':>9}")
    for row in rows:
        cells = "".join(f"{cost:>8} us" for cost in row["microseconds"].values())
        print(f"{row['policy']:14}{row['event']:30}{cells}{row['growth']:>9}")
