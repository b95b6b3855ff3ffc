"""Say why a job is not running, and when it will: one job, or all that are pending.

The start is an estimate: it holds if jobs run to their time limits and none comes before. With --at TIME, LOG and --job N or --queued, the same for a
simulation of a workload log: `fluxplug explain --at=0 --help`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from fluxplug.cli.live import add_uri, connect, path_of, print_lines
from fluxplug.errors import ApiError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from fluxplug.client import Client

# How often, and after how many seconds, to ask again while a scheduling pass is under way.
_TRIES, _PAUSE = 50, 0.05
_FORMAT = "{id.f58:>12} ?:{queue:<8.8} +:{username:<8} {name:<10.10+} {nnodes:>6h} {duration!F:>8h} "


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("id", nargs="?", metavar="JOBID", help="the job (default: all that are pending)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("-n", "--no-header", action="store_true", help="no line of headings")
    add_uri(parser)


def run(args: Namespace) -> int:
    client = connect(args)
    return _all(client, args) if args.id is None else _one(client, args)


def _ask(client: Client, path: str) -> dict[str, Any]:
    import errno  # noqa: PLC0415
    import threading  # noqa: PLC0415

    tries = _TRIES
    while True:
        try:
            found: dict[str, Any] = client.get(f"{path}/explain")
            return found
        except ApiError as error:
            tries -= 1
            if error.errno != errno.EAGAIN or not tries:
                raise
            threading.Event().wait(_PAUSE)


def _one(client: Client, args: Namespace) -> int:
    from fluxplug.job.info import JobInfo  # noqa: PLC0415

    path = path_of(args.id)
    job = JobInfo(client.get(path)["job"])
    if job.state == "INACTIVE":
        if args.json:
            print(json.dumps({"id": job["id"], "state": "INACTIVE", "reason": "ended", "text": job.inactive_reason}))
        else:
            print(f"{job.id.f58}: over: {job.inactive_reason}")
        return 0
    found = _ask(client, path)
    if args.json:
        print(json.dumps({key: value for key, value in found.items() if value is not None}, ensure_ascii=False))
        return 0
    print(f"{job.id.f58}: {found['text']}")
    if job.state != "RUN":
        if found.get("position"):
            queue = found.get("queue")
            print(f"  place in queue{f' {queue!r}' if queue else ''}: {found['position']}")
        for name, key in (("reservation", "reserved"), ("start estimate", "estimate")):
            if found.get(key) is not None:
                print(f"  {name}: {_when(found[key], found['time'])}")
        if found.get("estimate") is None:
            print("  start estimate: none")
    return 0


def _when(at: float, now: float) -> str:
    from fluxplug.clock import format_local, same_day  # noqa: PLC0415
    from fluxplug.values.duration import fsd  # noqa: PLC0415

    shown = format_local(at, "%H:%M:%S" if same_day(at, now) else "%b%d %H:%M")
    return f"{shown} (in {fsd(at - now)})" if at > now else f"{shown} (now)"


def _all(client: Client, args: Namespace) -> int:
    from fluxplug.clock import SystemClock  # noqa: PLC0415
    from fluxplug.job.info import JobInfo  # noqa: PLC0415
    from fluxplug.listing.jobs import JobInfoFormat  # noqa: PLC0415

    now = SystemClock().now()
    records = client.post("/v1/jobs/list", {"max_entries": 0, "constraint": {"states": ["pending"]}}, again=True)[
        "jobs"
    ]
    for record in records:
        sched = ((record.get("annotations") or {}).get("sched")) or {}
        if "reason_pending" not in sched:
            try:
                known = _ask(client, path_of(record["id"]))
            except ApiError:
                continue  # it has ended meanwhile
            sched = {"reason_pending": known["text"]}
            if known.get("estimate") is not None:
                sched["t_estimate"] = known["estimate"]
            record["annotations"] = {**(record.get("annotations") or {}), "sched": sched}
    if args.json:
        for record in records:
            sched = record["annotations"]["sched"]
            found = {"id": record["id"], "text": sched["reason_pending"], "estimate": sched.get("t_estimate")}
            print(json.dumps({key: value for key, value in found.items() if value is not None}, ensure_ascii=False))
        return 0
    table = JobInfoFormat(_FORMAT)
    infos = [JobInfo(record, now) for record in records]
    lines = table.lines(infos, args.no_header)
    starts = [_start(job.sched.t_estimate, now) for job in infos]
    head = len(lines) - len(infos)
    if head:
        lines[0] += "   START REASON"
    for at, (job, start) in enumerate(zip(infos, starts, strict=True), head):
        lines[at] += f"{start:>8} {job.sched.reason_pending}"
    print_lines(lines)
    return 0


def _start(estimate: Any, now: float) -> str:
    from fluxplug.values.duration import fsd  # noqa: PLC0415

    if not isinstance(estimate, (int, float)):
        return "-"
    return "now" if estimate <= now else fsd(estimate - now)
