"""Show what has happened: the events of all jobs, of one job, or of the resources.

Each event of all jobs has a number, which begins its line (`seq` in JSON): `--since N` goes on after it. Of one job and of the resources, N is the
number of events seen. With --follow the stream goes on as events come, also across restarts of the server.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from fluxplug.cli.job.logs import add_look, formatter_of
from fluxplug.cli.live import CommandUsageError, add_uri, connect, jobid, natural, path_of

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("id", nargs="?", metavar="JOBID", help="of this job alone")
    parser.add_argument("--resources", action="store_true", help="of the resources: what came, went, was drained")
    parser.add_argument("--since", metavar="N", type=natural, help="go on after event N (default: from the beginning)")
    parser.add_argument("--new", action="store_true", help="only what happens from now on")
    parser.add_argument("-F", "--follow", action="store_true", help="go on as events come")
    add_look(parser)
    add_uri(parser)


def run(args: Namespace) -> int:
    if args.id is not None and args.resources:
        raise CommandUsageError("give a job id, or --resources")
    if args.new and (args.since is not None or args.id is not None or args.resources):
        raise CommandUsageError("--new is for the events of all jobs, without --since")
    client = connect(args)
    formatter = formatter_of(args)
    since, follow = args.since or 0, args.follow
    if args.id is None and not args.resources:
        follow = follow or args.new
        stream = client.stream("/v1/events", resume=follow, follow=follow, since=-1 if args.new else since)
        for line in stream:
            if "event" in line:
                print(_line(args, formatter, line), flush=follow)
        return 0
    path = "/v1/resources/eventlog" if args.resources else f"{path_of(args.id)}/eventlog"
    for event in client.stream(path, resume=follow, follow=follow, since=since):
        print(formatter.format(event), flush=follow)
    return 0


def _line(args: Namespace, formatter: Any, line: dict[str, Any]) -> str:
    if args.format == "json":
        return json.dumps(line, ensure_ascii=False, separators=(",", ":"))
    return f"{line['seq']} {jobid(line['id']).f58} {formatter.format(line['event'])}"
