"""List queues, open and close them for jobs, start and stop them, and wait until they are empty."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from fluxplug.cli.live import Actions, CommandError, add_color, connect, duration, wants_color

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from fluxplug.client import Client
    from fluxplug.listing.queues import QueueInfo

_RUNNING = ("run", "cleanup")


def add_arguments(parser: ArgumentParser) -> None:
    actions = Actions(parser)
    one = actions.add("list", list_, "list queues, with their limits")
    one.add_argument("-q", "--queue", metavar="NAME,...", help="these alone")
    one.add_argument(
        "-o", "--format", metavar="FORMAT", help="a format or its name (default, policy, nodes); help; get-config=NAME"
    )
    one.add_argument("-n", "--no-header", action="store_true", help="no line of headings")
    add_color(one)

    one = actions.add("status", status, "say whether queues take jobs and start them")
    one.add_argument("queue", nargs="?", metavar="QUEUE", help="this one alone")
    one.add_argument("-v", "--verbose", action="count", default=0, help="count their jobs too")
    for name, text in (
        ("enable", "let queues take jobs"),
        ("disable", "let queues take no more jobs"),
        ("start", "let the jobs of queues start"),
        ("stop", "let no more jobs of queues start"),
    ):
        one = actions.add(name, change, text)
        one.add_argument("queue", nargs="?", metavar="QUEUE", help="the queue")
        one.add_argument("-a", "--all", action="store_true", help="all queues")
        one.add_argument("-m", "--message", metavar="REASON", default="", help="why")
        one.add_argument("--quiet", action="store_true", help="do not print the new status")
        one.add_argument("-v", "--verbose", action="count", default=0, help="count the jobs too")
        if name in {"start", "stop"}:
            one.add_argument(
                "--nocheckpoint", action="store_true", help="accepted as in Flux: what is said here outlives a restart"
            )
    for name, text in (("drain", "wait until there are no active jobs"), ("idle", "wait until no job runs")):
        one = actions.add(name, wait, text)
        one.add_argument("--timeout", metavar="TIME", type=duration, help="wait so long at most")


def run(args: Namespace) -> int:
    return int(args.do(args))


def _chosen(client: Client, names: list[str]) -> list[dict[str, Any]]:
    queues: list[dict[str, Any]] = client.get("/v1/queues")["queues"]
    known = {queue["name"]: queue for queue in queues}
    for name in names:
        if not name or name not in known:
            raise CommandError(f"'{name}' is not a valid queue")
    return [known[name] for name in names] if names else queues


def _info(queue: dict[str, Any]) -> QueueInfo:
    """A queue of the API, as listings have it."""
    from fluxplug.listing.queues import RESOURCE_STATES, Counts, QueueInfo  # noqa: PLC0415

    limits = queue["limits"]
    policy = {
        "limits": {
            "duration": limits["duration"],
            "job-size": {"min": _set(limits["min"]), "max": _set(limits["max"])},
        },
        "jobspec": {"defaults": {"system": {"duration": queue["defaults"].get("duration")}}},
    }
    state = {"enable": queue["enabled"], "start": queue["started"], "blocked": queue.get("blocked", "")}
    resources: Any = {
        state: Counts(*(queue["resources"][state][unit] for unit in ("nnodes", "ncores", "ngpus")))
        for state in RESOURCE_STATES
    }
    return QueueInfo(
        queue["name"],
        policy,
        state,
        parent=queue.get("parent", ""),
        is_default=queue["is_default"],
        resources=resources,
    )


def _set(counts: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in counts.items() if value is not None}


def list_(args: Namespace) -> int:
    from fluxplug.cli.jobs import shown_format  # noqa: PLC0415
    from fluxplug.listing.formats import Formats  # noqa: PLC0415
    from fluxplug.listing.output import OutputFormat  # noqa: PLC0415
    from fluxplug.listing.queues import QUEUE_HEADINGS, QueueRow  # noqa: PLC0415

    formats = Formats("queue-list")
    if shown_format(formats, args.format):
        return 0
    table = OutputFormat(formats.find(args.format), QUEUE_HEADINGS)
    queues = _chosen(connect(args), args.queue.split(",") if args.queue else [])
    color = wants_color(args)
    table.print_items([QueueRow(_info(queue), color) for queue in queues], args.no_header)
    return 0


def _prefix(queue: dict[str, Any]) -> str:
    return f"{queue['name']}: " if queue["name"] else ""


def _submission(queue: dict[str, Any]) -> str:
    reason = queue.get("disable_reason")
    return f"{_prefix(queue)}Job submission is {'enabled' if queue['enabled'] else 'disabled'}" + _because(reason)


def _scheduling(queue: dict[str, Any]) -> str:
    reason = queue.get("stop_reason")
    if not queue["started"] and queue.get("blocked"):
        reason = f"{queue.get('parent')} is stopped"
    return f"{_prefix(queue)}Scheduling is {'started' if queue['started'] else 'stopped'}" + _because(reason)


def _because(reason: str | None) -> str:
    return f": {reason}" if reason else ""


def status(args: Namespace) -> int:
    client = connect(args)
    queues = _chosen(client, [args.queue] if args.queue is not None else [])
    for queue in queues:
        print(_submission(queue))
        print(_scheduling(queue))
    if args.verbose:
        _counts(client, queues)
    return 0


def _counts(client: Client, queues: list[dict[str, Any]]) -> None:
    scheduled = client.get("/v1/stats")["jobs"]["sched"] if len(queues) != 1 else queues[0]["pending"]
    print(f"{sum(queue['pending'] for queue in queues)} alloc requests queued")
    print(f"{scheduled} alloc requests pending to scheduler")
    print(f"{sum(queue['running'] for queue in queues)} running jobs")


def change(args: Namespace) -> int:
    client = connect(args)
    body = {"queue": args.queue, "all": args.all, "reason": args.message}
    queues = client.post(f"/v1/queues/{args.action}", body)["queues"]
    if not args.quiet:
        line = _submission if args.action in {"enable", "disable"} else _scheduling
        for queue in queues:
            print(line(queue))
    if args.verbose:
        _counts(client, queues)
    return 0


def wait(args: Namespace) -> int:
    """Follow the journal from before the jobs are counted, so that none is missed."""
    client = connect(args)
    journal = client.stream("/v1/events", resume=True, since=-1, follow=True)
    next(journal)  # there is no history: the sentinel
    states = _RUNNING if args.action == "idle" else ("active",)
    body = {"max_entries": 0, "attrs": ["id"], "constraint": {"states": list(states)}}
    left = {record["id"] for record in client.post("/v1/jobs/list", body, again=True)["jobs"]}
    begin = "alloc" if args.action == "idle" else "submit"
    timer = None
    if args.timeout is not None:
        import threading  # noqa: PLC0415

        timer = threading.Timer(args.timeout, journal.close)
        timer.daemon = True
        timer.start()
    shown = sys.stderr.isatty()
    for line in journal if left else ():
        if "event" not in line:
            continue
        name = line["event"]["name"]
        if name == begin:
            left.add(line["id"])
        elif name == "clean":
            left.discard(line["id"])
        if shown:
            print(f"\r\x1b[K{len(left)} jobs", end="\n" if not left else "", file=sys.stderr, flush=True)
        if not left:
            break
    if timer is not None:
        timer.cancel()
    journal.close()
    if left:
        raise CommandError(f"{len(left)} jobs are left: timeout, or the instance has ended")
    return 0
