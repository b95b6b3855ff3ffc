"""`fluxplug job last`, `id`, `taskmap`, `hostpids`, `timeleft`, `list`, `list-ids`, `list-inactive` and `stats`: what answers a question."""

from __future__ import annotations

import json
import os
import re
import sys
from typing import TYPE_CHECKING, Any

from fluxplug.cli.live import (
    CommandError,
    CommandUsageError,
    connect,
    duration,
    jobid,
    natural,
    path_of,
    userid,
    words_of,
)

if TYPE_CHECKING:
    from argparse import Namespace

    from fluxplug.cli.live import Actions
    from fluxplug.client import Client
    from fluxplug.jobspec.taskmap import TaskMap

_FORMS = ("dec", "hex", "dothex", "kvs", "words", "f58", "f58plain", "emoji")
# `last` looks at all active jobs, and at so many that have ended.
_ENDED = 1000
_UNLIMITED = 4294967295


def add_actions(actions: Actions) -> None:
    parser = actions.add("last", last, "print the ids of your latest jobs, newest first")
    parser.add_argument(
        "which", nargs="?", metavar="N|[BEGIN:END:STEP]", default="1", help="how many, or a slice as in Python"
    )

    parser = actions.add("id", convert, "convert job ids, those given or the lines of standard input")
    parser.add_argument("ids", nargs="*", metavar="JOBID", help="in any form")
    parser.add_argument("--to", choices=_FORMS, default="dec", help="the form to convert to (default: dec)")

    parser = actions.add("taskmap", taskmap, "say which task of a job is on which node")
    parser.add_argument("map", metavar="JOBID|MAP", help="the job, or a task map in any form")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--taskids", metavar="NODE", type=natural, help="the tasks of a node of the job")
    which.add_argument("--ntasks", metavar="NODE", type=natural, help="how many tasks a node of the job has")
    which.add_argument("--nodeid", metavar="TASK", type=natural, help="the node of a task")
    which.add_argument("--hostname", metavar="TASK", type=natural, help="the host of a task")
    which.add_argument("--to", choices=("raw", "pmi", "multiline", "hosts"), help="the map in another form")

    parser = actions.add("hostpids", hostpids, "print HOST:PID of each task of a running job, in the order of ranks")
    parser.add_argument("id", metavar="JOBID", help="the job; it is waited for until it runs")
    parser.add_argument("-d", "--delimiter", metavar="TEXT", default=",", help="between them (default: a comma)")
    parser.add_argument("-r", "--ranks", metavar="RANKS", default="all", help="of these tasks (default: all)")
    parser.add_argument("-t", "--timeout", metavar="TIME", type=duration, help="wait so long at most")

    parser = actions.add("timeleft", timeleft, "print the seconds that a running job has left")
    parser.add_argument("id", nargs="?", metavar="JOBID", help="the job (default: the one that this runs in)")
    parser.add_argument("-H", "--human", action="store_true", help="with units")

    for name, text in (
        ("list", "print active jobs as JSON, a line a job"),
        ("list-inactive", "print jobs that have ended as JSON"),
    ):
        parser = actions.add(name, list_, text)
        parser.add_argument(
            "-c", "--count", metavar="N", type=natural, default=0, help="at most N; 0: all (the default)"
        )
        if name == "list":
            parser.add_argument(
                "-s", "--states", metavar="STATE,...", default="active", help="in these states (default: active)"
            )
            parser.add_argument("-u", "--user", metavar="USER", help="of this user; all (default: yourself)")
        else:
            parser.set_defaults(states="inactive", user="all")
            parser.add_argument(
                "-s",
                "--since",
                metavar="T",
                type=float,
                default=0.0,
                help="ended after this time, in seconds since 1970",
            )

    parser = actions.add("list-ids", list_ids, "print these jobs as JSON, a line a job")
    parser.add_argument("ids", nargs="+", metavar="JOBID", help="the jobs")
    actions.add("stats", stats, "print counts of jobs as JSON")


def last(args: Namespace) -> int:
    client = connect(args)
    own = {"userid": [os.getuid()]}
    found = []
    for states, number in ((["active"], 0), (["inactive"], _ENDED)):
        body = {"max_entries": number, "attrs": ["id"], "constraint": {"and": [own, {"states": states}]}}
        found += client.post("/v1/jobs/list", body, again=True)["jobs"]
    ids = sorted((jobid(record["id"]) for record in found), reverse=True)
    if not ids:
        raise CommandError("job history is empty")
    for one in ids[_slice(args.which)]:
        print(one.f58)
    return 0


def _slice(text: str) -> slice:
    if text.isdecimal():
        return slice(0, int(text))
    match = re.fullmatch(r"\[(-?[0-9]*)(?::(-?[0-9]*)(?::(-?[0-9]*))?)?\]", text)
    if match is None or "-" in match.groups() or match[3] == "0" or (match[2] is None and not match[1]):
        raise CommandUsageError(f"{text!r}: expected a number, or a slice such as [0:4]")
    begin, end, step = (None if not one else int(one) for one in match.groups())
    if match[2] is None:  # one of them
        assert begin is not None
        return slice(begin, begin + 1 or None)
    return slice(begin, end, step)


def convert(args: Namespace) -> int:
    texts = args.ids or sys.stdin.read().split()
    for text in texts:
        print(jobid(text).encode(args.to))
    return 0


def taskmap(args: Namespace) -> int:
    found, hosts = _map(args)
    try:
        if args.taskids is not None:
            print(found.taskids(args.taskids))
        elif args.ntasks is not None:
            print(len(found.taskids(args.ntasks)))
        elif args.nodeid is not None:
            print(found.nodeid(args.nodeid))
        elif args.hostname is not None or args.to == "hosts":
            if not hosts:
                raise CommandError("a task map alone has no hosts; give a job id")
            if args.hostname is not None:
                print(hosts[found.nodeid(args.hostname)])
            else:
                for node in range(found.nnodes):
                    print(f"{hosts[node]}: {found.taskids(node)}")
        elif args.to:
            print(getattr(found, args.to)())
        else:
            print(found.encode())
    except (ValueError, IndexError, KeyError) as error:
        raise CommandError(str(error)) from None
    return 0


def _map(args: Namespace) -> tuple[TaskMap, list[str]]:
    from fluxplug.errors import FluxplugError  # noqa: PLC0415
    from fluxplug.jobspec.taskmap import TaskMap  # noqa: PLC0415

    try:
        path = path_of(args.map)
    except CommandError:
        try:
            return TaskMap.parse(args.map), []
        except FluxplugError:
            raise CommandError(f"{args.map!r}: neither a job id nor a task map") from None
    client = connect(args)
    for event in client.stream(f"{path}/guest.exec.eventlog", resume=True, follow=True):
        if event["name"] == "shell.start":
            return TaskMap.from_document(event["context"]["taskmap"]), _hosts(client, path)
    raise CommandError("the job has no task map: its tasks never started")


def _hosts(client: Client, path: str) -> list[str]:
    from fluxplug.values.hostlist import Hostlist  # noqa: PLC0415

    return list(Hostlist(",".join(client.get(f"{path}/R")["execution"].get("nodelist", ()))))


def hostpids(args: Namespace) -> int:
    import threading  # noqa: PLC0415

    from fluxplug.errors import ApiError  # noqa: PLC0415
    from fluxplug.values.idset import IDset  # noqa: PLC0415

    try:
        ranks = None if args.ranks == "all" else IDset(args.ranks)
    except ValueError as error:
        raise CommandUsageError(f"--ranks={args.ranks}: {error}") from None
    client, path = connect(args), path_of(args.id)
    stream = client.stream(f"{path}/guest.exec.eventlog", resume=True, follow=True)
    expired: list[bool] = []

    def expire() -> None:
        expired.append(True)
        stream.close()

    timer = None
    if args.timeout is not None:
        timer = threading.Timer(args.timeout, expire)
        timer.daemon = True
        timer.start()
    for event in stream:
        if event["name"] == "shell.start":
            break
    else:
        raise CommandError(f"the job has not started within {args.timeout:g} s" if expired else "job is not running")
    if timer is not None:
        timer.cancel()
    try:
        tasks = client.get(f"{path}/hostpids", resume=True)["tasks"]
    except ApiError as error:
        raise CommandError(str(error.strerror)) from None
    shown = [f"{task['host']}:{task['pid']}" for task in tasks if ranks is None or task["rank"] in ranks]
    print(args.delimiter.join(shown))
    return 0


def timeleft(args: Namespace) -> int:
    from fluxplug.clock import SystemClock  # noqa: PLC0415
    from fluxplug.values.duration import fsd  # noqa: PLC0415

    text = args.id or os.environ.get("FLUX_JOB_ID")
    if not text:
        raise CommandError("no job id given, and FLUX_JOB_ID is not set")
    record = connect(args).get(path_of(text))["job"]
    if "t_run" not in record and record["state"] < 16:
        raise CommandError(f"{jobid(text).f58}: the job has not started")
    if record["state"] != 16:
        left = 0.0
    elif not record.get("expiration"):
        print("infinity" if args.human else _UNLIMITED)
        return 0
    else:
        left = max(0.0, record["expiration"] - SystemClock().now())
    print(fsd(left) if args.human else int(left))
    return 0


def _print_records(client: Client, body: dict[str, Any]) -> int:
    found = client.post("/v1/jobs/list", body, again=True)["jobs"]
    for record in found:
        record["id"] = int(jobid(record["id"]))
        print(json.dumps(record, ensure_ascii=False, separators=(",", ":")))
    return len(found)


def list_(args: Namespace) -> int:
    terms: list[dict[str, Any]] = [{"states": words_of(args.states)}]
    user = os.getuid() if args.user is None else userid(args.user)
    if user >= 0:
        terms.append({"userid": [user]})
    body: dict[str, Any] = {"max_entries": args.count, "constraint": {"and": terms}}
    if getattr(args, "since", 0):
        body["since"] = args.since
    _print_records(connect(args), body)
    return 0


def list_ids(args: Namespace) -> int:
    ids = [jobid(text) for text in args.ids]
    found = _print_records(connect(args), {"ids": [str(int(one)) for one in ids]})
    if found < len(ids):
        raise CommandError("unknown job id" if len(ids) == 1 else "some of the job ids are unknown")
    return 0


def stats(args: Namespace) -> int:
    print(json.dumps(connect(args).get("/v1/stats")["jobs"]))
    return 0
