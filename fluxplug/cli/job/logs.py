"""`fluxplug job eventlog`, `wait-event` and `info`: the logs and documents of a job as they are."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from fluxplug.cli.live import CommandError, CommandUsageError, add_color, connect, duration, natural, path_of
from fluxplug.errors import ApiError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterator

    from fluxplug.cli.live import Actions
    from fluxplug.listing.eventlog import EventLogFormatter

LOGS = ("eventlog", "guest.exec.eventlog", "guest.output", "guest.input")
_SHORT = {"exec": "guest.exec.eventlog", "output": "guest.output", "input": "guest.input"}
_KEYS = ("jobspec", "R", *LOGS)


def add_actions(actions: Actions) -> None:
    parser = actions.add("eventlog", eventlog, "print the event log of a job")
    parser.add_argument("id", metavar="JOBID", help="the job")
    add_look(parser)
    parser.add_argument("-F", "--follow", action="store_true", help="go on until the log is complete")
    parser.add_argument("--since", metavar="N", type=natural, default=0, help="leave out the first N entries")
    _add_path(parser)

    parser = actions.add("wait-event", wait_event, "wait for an event of a job, and print it")
    parser.add_argument("id", metavar="JOBID", help="the job")
    parser.add_argument("event", metavar="EVENT", help="the name of the event")
    add_look(parser)
    parser.add_argument("-t", "--timeout", metavar="TIME", type=duration, help="wait so long at most")
    parser.add_argument(
        "-m", "--match-context", metavar="KEY=VALUE", action="append", default=[], help="with this in its context"
    )
    parser.add_argument("-c", "--count", metavar="N", type=natural, default=1, help="the Nth such event (default: 1)")
    parser.add_argument("-q", "--quiet", action="store_true", help="do not print it")
    parser.add_argument("-v", "--verbose", action="count", default=0, help="print all events before it too")
    parser.add_argument(
        "-W",
        "--waitcreate",
        action="store_true",
        help="accepted as in Flux: a log that is not there yet is always waited for",
    )
    _add_path(parser)

    parser = actions.add("info", info, "print a document or log of a job, as JSON")
    parser.add_argument("id", metavar="JOBID", help="the job")
    parser.add_argument("key", metavar="KEY", help=", ".join(_KEYS))
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "-o", "--original", action="store_true", help="the jobspec with its environment, as it was submitted"
    )
    which.add_argument("-b", "--base", action="store_true", help="the jobspec without updates")


def add_look(parser: ArgumentParser) -> None:
    """How event logs look."""
    parser.add_argument("-f", "--format", choices=("text", "json"), default="text", help="text (the default) or json")
    parser.add_argument(
        "-T",
        "--time-format",
        choices=("raw", "iso", "offset", "human"),
        help="seconds since 1970 (raw, the default), a date, or seconds since the first event",
    )
    parser.add_argument("-H", "--human", action="store_true", help="the same as -T human")
    add_color(parser)


def formatter_of(args: Namespace) -> EventLogFormatter:
    """The formatter that the options of `add_look` ask for."""
    from fluxplug.listing.eventlog import EventLogFormatter  # noqa: PLC0415

    return EventLogFormatter(args.format, args.time_format or ("human" if args.human else "raw"), args.color)


def _add_path(parser: ArgumentParser) -> None:
    parser.add_argument(
        "-p",
        "--path",
        metavar="LOG",
        default="eventlog",
        help=f"another log: {', '.join(LOGS[1:])}; or exec, output, input",
    )


def _entries(args: Namespace, *, follow: bool, since: int = 0) -> Any:
    log = _SHORT.get(args.path, args.path)
    if log not in LOGS:
        raise CommandUsageError(f"--path={args.path}: expected {', '.join((*LOGS, *_SHORT))}")
    return connect(args).stream(f"{path_of(args.id)}/{log}", resume=follow, follow=follow, since=since)


def eventlog(args: Namespace) -> int:
    formatter = formatter_of(args)
    for event in _entries(args, follow=args.follow, since=args.since):
        print(formatter.format(event), flush=args.follow)
    return 0


def wait_event(args: Namespace) -> int:
    wanted = []
    for text in args.match_context:
        key, equals, value = text.partition("=")
        if not equals:
            raise CommandUsageError(f"--match-context={text}: expected KEY=VALUE")
        wanted.append((key, value))
    formatter = formatter_of(args)
    stream = _entries(args, follow=True)
    expired: list[bool] = []
    timer = None
    if args.timeout is not None:
        import threading  # noqa: PLC0415

        def expire() -> None:
            expired.append(True)
            stream.close()

        timer = threading.Timer(args.timeout, expire)
        timer.daemon = True
        timer.start()
    left = args.count
    for event, line in _formatted(stream, formatter):
        matched = event["name"] == args.event and all(_has(event, key, value) for key, value in wanted)
        left -= matched
        found = matched and left <= 0
        if not args.quiet and (found or args.verbose):
            print(line, flush=True)
        if found:
            stream.close()
            if timer is not None:
                timer.cancel()
            return 0
    if expired:
        raise CommandError(f"wait-event timed out on event '{args.event}'")
    raise CommandError(f"event '{args.event}' never received")


def _formatted(stream: Any, formatter: EventLogFormatter) -> Iterator[tuple[dict[str, Any], str]]:
    for event in stream:
        yield event, formatter.format(event)  # all of them: times may be relative to the first


def _has(event: dict[str, Any], key: str, value: str) -> bool:
    context = event.get("context") or {}
    if key not in context:
        return False
    found = context[key]
    return found == value or json.dumps(found, separators=(",", ":")) == value.replace(" ", "")


def info(args: Namespace) -> int:
    key = args.key
    if (args.original or args.base) and key != "jobspec":
        raise CommandUsageError("--original and --base are for jobspec")
    client = connect(args)
    try:
        if key in LOGS:
            for event in client.stream(f"{path_of(args.id)}/{key}"):
                print(json.dumps(event, ensure_ascii=False, separators=(",", ":")))
            return 0
        if key not in _KEYS:
            client.get(path_of(args.id))
            raise CommandError(f"{key}: key not found")
        query = {"original": True} if args.original else {"base": True} if args.base else {}
        document = client.get(f"{path_of(args.id)}/{key}", **query)
    except ApiError as error:
        raise CommandError(str(error.strerror)) from None
    sys.stdout.write(json.dumps(document, ensure_ascii=False, separators=(",", ":")) + "\n")
    return 0
