"""Show the machine of an instance, and take nodes out of service.

Plugins add actions of their own, which need no instance: `fluxplug --help` lists them.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from fluxplug.cli.live import (
    Actions,
    CommandError,
    CommandUsageError,
    connect,
    natural,
    wants_color,
    words_of,
)

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from fluxplug.client import Client
    from fluxplug.listing.resources import QueueProperties
    from fluxplug.resource.list import ResourceStatus, SchedResourceList

ACTIONS = ("list", "info", "R", "status", "drain", "undrain", "up", "down", "eventlog")


def add_arguments(parser: ArgumentParser) -> None:
    from fluxplug.cli.job.logs import add_look  # noqa: PLC0415
    from fluxplug.cli.live import add_color  # noqa: PLC0415

    actions = Actions(parser)
    for name, do, text, states in (
        ("list", list_, "list what is free, allocated and down", "free,allocated,down"),
        ("info", info, "count nodes, cores and GPUs", "all"),
        ("R", print_r, "print the machine as R (RFC 20)", "all"),
    ):
        one = actions.add(name, do, text)
        one.add_argument(
            "-s",
            "--states",
            metavar="STATE,...",
            default=states,
            help=f"up, down, allocated, free, all (default: {states})",
        )
        _add_selection(one)
        if name == "list":
            _add_table(one)
            one.add_argument("--no-skip-empty", action="store_true", help="lines for states in which there is nothing")

    one = actions.add("status", status, "list the nodes by their state")
    one.add_argument(
        "-s",
        "--states",
        metavar="STATE,...",
        help="avail, exclude, draining, drained, drain, allocated, torpid, housekeeping, offline, online, all",
    )
    _add_selection(one)
    _add_table(one)
    add_color(one)

    one = actions.add("drain", drain, "take nodes out of service; without arguments, list those that are")
    one.add_argument("targets", nargs="?", metavar="RANKS|HOSTS", help="the nodes")
    one.add_argument("reason", nargs="*", metavar="REASON", help="why")
    one.add_argument(
        "-f", "--force", action="count", default=0, help="change the reason of drained nodes; -ff: and the time"
    )
    one.add_argument("-u", "--update", action="store_true", help="leave out those that are drained")
    one.add_argument("-i", "--include", metavar="RANKS|HOSTS", help="list these alone")
    _add_format(one)
    add_color(one)
    for name, text in (
        ("undrain", "put drained nodes back into service"),
        ("up", "say that nodes are up again"),
        ("down", "say that nodes are down"),
    ):
        one = actions.add(name, change, text)
        one.add_argument("targets", metavar="RANKS|HOSTS", help="the nodes")
        one.add_argument("reason", nargs="*", metavar="REASON", help="why")
        if name == "undrain":
            one.add_argument("-f", "--force", action="store_true", help="leave out those that are not drained")
            one.add_argument("-u", "--update", action="store_true", help="the same")

    one = actions.add("eventlog", eventlog, "print the event log of the resources")
    add_look(one)
    one.add_argument("-F", "--follow", action="store_true", help="go on as events come")
    one.add_argument("-w", "--wait", metavar="EVENT", help="go on to this event")
    one.add_argument("--since", metavar="N", type=natural, default=0, help="leave out the first N entries")


def _add_selection(parser: ArgumentParser) -> None:
    parser.add_argument("-q", "--queue", metavar="NAME,...", help="the nodes of these queues")
    parser.add_argument("-i", "--include", metavar="RANKS|HOSTS", help="these nodes alone")


def _add_table(parser: ArgumentParser) -> None:
    _add_format(parser)
    parser.add_argument("--skip-empty", action="store_true", help="no lines for states in which there is nothing")


def _add_format(parser: ArgumentParser) -> None:
    parser.add_argument("-o", "--format", metavar="FORMAT", help="a format or its name; help; get-config=NAME")
    parser.add_argument("-n", "--no-header", action="store_true", help="no line of headings")


def run(args: Namespace) -> int:
    return int(args.do(args))


def _queues(client: Client, hidden: Any = ()) -> QueueProperties:
    from fluxplug.listing.resources import QueueProperties  # noqa: PLC0415

    tables = {}
    for queue in client.get("/v1/queues")["queues"]:
        if queue["name"]:
            parent = {"parent": queue["parent"]} if queue.get("parent") else {}
            tables[queue["name"]] = {"requires": queue["requires"], **parent}
    return QueueProperties(tables, hidden or ())


def _report(client: Client, args: Namespace, queues: QueueProperties | None) -> SchedResourceList:
    from fluxplug.resource.list import SchedResourceList  # noqa: PLC0415

    report = SchedResourceList(client.get("/v1/resources"))
    if args.queue:
        report = report.copy_constraint((queues or _queues(client)).constraint(args.queue.split(",")))
    if args.include:
        report = report.filter(args.include)
    return report


def list_(args: Namespace) -> int:
    from fluxplug.cli.jobs import shown_format  # noqa: PLC0415
    from fluxplug.listing.formats import Formats  # noqa: PLC0415
    from fluxplug.listing.output import OutputFormat  # noqa: PLC0415
    from fluxplug.listing.resources import LIST_HEADINGS, list_rows  # noqa: PLC0415

    formats = Formats("resource-list")
    if shown_format(formats, args.format):
        return 0
    table = OutputFormat(formats.find(args.format), LIST_HEADINGS)
    client = connect(args)
    queues = _queues(client, formats.setting("hidden-queues"))
    report = _found(lambda: _report(client, args, queues))
    skip = args.skip_empty or (args.include is not None and not args.no_skip_empty)
    table.print_items(list_rows(report, words_of(args.states), queues, table.fields, skip), args.no_header)
    return 0


def _found(make: Any) -> Any:
    """What `make` makes. Raises CommandError for a host that is not there."""
    try:
        return make()
    except FileNotFoundError as error:
        raise CommandError(f"--include: {error.strerror or error}") from None


def info(args: Namespace) -> int:
    from fluxplug.listing.resources import info_line  # noqa: PLC0415

    print(info_line(_found(lambda: _report(connect(args), args, None)).select(words_of(args.states))))
    return 0


def print_r(args: Namespace) -> int:
    found = _found(lambda: _report(connect(args), args, None)).select(words_of(args.states))
    print(json.dumps(found.to_dict()))
    return 0


def _status(client: Client, include: str | None, queue: str | None = None) -> ResourceStatus:
    from fluxplug.resource.list import ResourceStatus  # noqa: PLC0415

    found = ResourceStatus(client.get("/v1/resources/status"))
    if queue:
        found = found.filter(found.resources.copy_constraint(_queues(client).constraint(queue.split(","))).ranks)
    return found.filter(include) if include else found


def status(args: Namespace) -> int:
    from fluxplug.cli.jobs import shown_format  # noqa: PLC0415
    from fluxplug.listing.formats import Formats  # noqa: PLC0415
    from fluxplug.listing.output import OutputFormat  # noqa: PLC0415
    from fluxplug.listing.resources import STATUS_HEADINGS, status_rows  # noqa: PLC0415

    formats = Formats("resource-status")
    if shown_format(formats, args.format):
        return 0
    table = OutputFormat(formats.find(args.format), STATUS_HEADINGS)
    found = _found(lambda: _status(connect(args), args.include, args.queue))
    states = words_of(args.states) if args.states else None
    rows = status_rows(found, states, table.fields, True if args.skip_empty else None, wants_color(args))
    table.print_items(rows, args.no_header)
    return 0


def drain(args: Namespace) -> int:
    if args.targets is None:
        return _drained(args)
    body = {
        "targets": args.targets,
        "reason": " ".join(args.reason),
        "overwrite": min(args.force, 2),
        "update": args.update,
    }
    import errno  # noqa: PLC0415

    from fluxplug.errors import ApiError  # noqa: PLC0415

    try:
        connect(args).post("/v1/resources/drain", body)
    except ApiError as error:
        if error.errno != errno.EEXIST:
            raise
        print(f"fluxplug resource: {error}", file=sys.stderr)
        print("Use --force to overwrite existing drain reason", file=sys.stderr)
        return 1
    return 0


def _drained(args: Namespace) -> int:
    from fluxplug.cli.jobs import shown_format  # noqa: PLC0415
    from fluxplug.listing.formats import Formats  # noqa: PLC0415
    from fluxplug.listing.output import OutputFormat  # noqa: PLC0415
    from fluxplug.listing.resources import STATUS_HEADINGS, drain_rows  # noqa: PLC0415

    if args.force or args.update:
        raise CommandUsageError("drain: name the nodes, as ranks or hosts")
    formats = Formats("resource-drain")
    if shown_format(formats, args.format):
        return 0
    table = OutputFormat(formats.find(args.format), STATUS_HEADINGS)
    rows = drain_rows(_found(lambda: _status(connect(args), args.include)), wants_color(args))
    table.print_items(rows, args.no_header)
    return 0


def change(args: Namespace) -> int:
    update = getattr(args, "force", False) or getattr(args, "update", False)
    body = {"targets": args.targets, "reason": " ".join(args.reason), "update": update}
    connect(args).post(f"/v1/resources/{args.action}", body)
    return 0


def eventlog(args: Namespace) -> int:
    from fluxplug.cli.job.logs import formatter_of  # noqa: PLC0415

    formatter = formatter_of(args)
    follow = args.follow or args.wait is not None
    for event in connect(args).stream("/v1/resources/eventlog", resume=follow, follow=follow, since=args.since):
        print(formatter.format(event), flush=follow)
        if event["name"] == args.wait:
            break
    return 0
