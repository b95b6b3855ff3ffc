"""Explain why a job of a workload log is not running at some time of the simulation, and when it will.

Simulates up to that time, then asks the scheduler: the reason, the place in the queue, the reservation, the start estimate. Then goes on to
see when the job really starts, with what the scheduler did not know yet: jobs that come later, and jobs that end early.
"""

from __future__ import annotations

import json
import math
from argparse import ArgumentTypeError
from typing import TYPE_CHECKING, Any

from fluxplug.cli import simulation

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from fluxplug.engine.explain import Explanation
    from fluxplug.sim.simulator import Simulator


def add_arguments(parser: ArgumentParser) -> None:
    simulation.add_arguments(parser)
    parser.add_argument("--policy", metavar="NAME", help="run every queue under this policy (default: as configured)")
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--job", type=int, metavar="ID", help="the job's number in the log")
    which.add_argument("--queued", action="store_true", help="every job that is pending at that time")
    parser.add_argument("--at", type=_time, required=True, metavar="SECONDS", help="the time, in seconds of the log")
    parser.add_argument("--limit", type=_count, metavar="N", help="with --queued: the first N only")
    parser.add_argument("--json", action="store_true", help="print JSON")


def _time(text: str) -> float:
    try:
        time = float(text)
    except ValueError:
        time = math.nan
    if not math.isfinite(time):
        raise ArgumentTypeError(f"expected a number of seconds, not {text!r}")
    return time


def _count(text: str) -> int:
    if not text.isdecimal():
        raise ArgumentTypeError(f"expected a whole number, 0 or more, not {text!r}")
    return int(text)


def run(args: Namespace) -> int:
    """Run the command. Raises FluxplugError."""
    setup = simulation.Setup(args)
    config = setup.config.with_policy(args.policy) if args.policy else setup.config
    simulator, _ = setup.simulator(config)
    simulator.run(until=args.at)
    simulator.engine.clock.time = max(simulator.engine.clock.time, args.at)  # nothing happens in between
    if args.queued:
        return _queued(args, simulator)
    return _one(args, simulator)


def _one(args: Namespace, simulator: Simulator) -> int:
    from fluxplug.engine.explain import explain  # noqa: PLC0415

    found = explain(simulator.engine, args.job)
    if found is not None and found.state != "RUN":
        while args.job in simulator.engine.jobs and args.job not in simulator.engine.running:
            before = simulator.instants
            simulator.run(until=simulator.next_instant())
            if simulator.instants == before:
                break
    else:
        simulator.run_until_submitted(args.job)
    row = simulator.row(args.job)
    if row is None:
        from fluxplug.errors import TraceError  # noqa: PLC0415

        raise TraceError(f"{args.log}: has no job {args.job}")
    if args.json:
        print(json.dumps(_document(args, found, row), indent=2))
        return 0
    print(f"job {args.job} at {_seconds(args.at)}: {_situation(args.at, found, row)}")
    if found is not None and found.state != "RUN":
        if found.position:
            print(f"  place in queue{f' {found.queue!r}' if found.queue else ''}: {found.position}")
        if found.reserved is not None:
            print(f"  reservation: {_seconds(found.reserved)} (in {_seconds(found.reserved - args.at)} s)")
        if found.estimate is not None:
            print(
                f"  start estimate: {_seconds(found.estimate)} (in {_seconds(found.estimate - args.at)} s), as of {_seconds(found.time)}"
            )
        else:
            print("  start estimate: none")
        print(f"  in the simulation it starts at: {_seconds(row['start']) if row['start'] is not None else 'never'}")
    return 0


def _queued(args: Namespace, simulator: Simulator) -> int:
    from fluxplug.engine.explain import estimates, explain_with  # noqa: PLC0415

    engine = simulator.engine
    starts = dict(estimates(engine))
    waiting = [job for job in engine.jobs.values() if job.jobid not in engine.running]
    waiting.sort(key=lambda job: (job.queue, job.key is None, job.key or (), job.sequence))
    shown = [explain_with(engine, job, starts.get(job.jobid), place) for place, job in _places(waiting)]
    shown = shown[: args.limit]
    if args.json:
        print(json.dumps([_plain(one) for one in shown], indent=2))
        return 0
    print(f"{len(waiting)} jobs pending at {_seconds(args.at)}")
    for one in shown:
        start = "none" if one.estimate is None else _seconds(one.estimate)
        print(f"{one.jobid:>10}  start {start:>12}  {one.text}")
    if len(shown) < len(waiting):
        print(f"... and {len(waiting) - len(shown)} more")
    return 0


def _places(jobs: list[Any]) -> list[tuple[int, Any]]:
    places: dict[str, int] = {}
    found = []
    for job in jobs:
        place = 0
        if job.key is not None:
            place = places[job.queue] = places.get(job.queue, 0) + 1
        found.append((place, job))
    return found


def _situation(at: float, found: Explanation | None, row: dict[str, Any]) -> str:
    if found is not None:
        return found.text
    if row["submit"] > at:
        return f"not submitted yet: it comes at {_seconds(row['submit'])}"
    if row["end"] is not None:
        return f"over: it ran from {_seconds(row['start'])} to {_seconds(row['end'])} ({row['outcome']})"
    return f"over: {row['outcome']}" + (f": {row['reason']}" if "reason" in row else "")


def _document(args: Namespace, found: Explanation | None, row: dict[str, Any]) -> dict[str, Any]:
    return {"job": args.job, "at": args.at, "explanation": None if found is None else _plain(found), "simulated": row}


def _plain(found: Explanation) -> dict[str, Any]:
    import attrs  # noqa: PLC0415

    return attrs.asdict(found)


def _seconds(seconds: float) -> str:
    return str(int(seconds)) if seconds == int(seconds) else f"{seconds:.3f}"
