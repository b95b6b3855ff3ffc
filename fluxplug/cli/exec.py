"""Run a command on nodes of the instance: once on each rank, with its output here.

It runs as a job of its own, with one task and one core on each rank, and so waits while a rank has no core free. The tasks are numbered in the order
of the ranks. The exit code is the largest of the tasks'.
"""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING

from fluxplug.cli.live import CommandError, add_uri, connect, jobid, path_of

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from fluxplug.client import Client
    from fluxplug.values.idset import IDset


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("-r", "--rank", metavar="RANKS", default="all", help="the ranks (default: all that are up)")
    parser.add_argument("-x", "--exclude", metavar="RANKS", help="but not these")
    parser.add_argument("-j", "--jobid", metavar="JOBID", help="the ranks of this job; --rank counts within them")
    parser.add_argument("-l", "--label-io", action="store_true", help="begin each line of output with its task")
    parser.add_argument("-n", "--noinput", action="store_true", help="hand on no input")
    parser.add_argument("-d", "--dir", metavar="FOLDER", help="the working directory (default: the present one)")
    parser.add_argument(
        "-v", "--verbose", action="count", default=0, help="print the job id; -vv job events, -vvv all events"
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="do not say how tasks failed")
    parser.add_argument("--bg", action="store_true", help="print the job id, and do not wait")
    add_uri(parser)
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="COMMAND", help="the command, with its arguments")


def run(args: Namespace) -> int:
    from fluxplug.cli.attach import Attachment  # noqa: PLC0415
    from fluxplug.cli.follow import Sink  # noqa: PLC0415
    from fluxplug.jobspec.v1 import JobspecV1  # noqa: PLC0415

    command = args.command[1:] if args.command[:1] == ["--"] else args.command
    if not command:
        raise CommandError("command and arguments are missing")
    client = connect(args)
    ranks = _ranks(client, args)
    jobspec = JobspecV1.from_command(
        command,
        num_tasks=len(ranks),
        num_nodes=len(ranks),
        environment=dict(os.environ),
        cwd=args.dir or os.getcwd(),  # noqa: PTH109
    )
    jobspec.setattr("system.constraints", {"ranks": [str(ranks)]})
    found = jobid(client.post("/v1/jobs", {"jobspec": jobspec.jobspec})["id"])
    if args.bg:
        print(found.f58)
        return 0
    if args.verbose:
        print(f"jobid: {found.f58}", file=sys.stderr)
    return Attachment(
        client,
        int(found),
        "exec",
        labels=args.label_io,
        events=args.verbose > 1,
        exec_events=args.verbose > 2,
        stdin="" if args.noinput else "all",
        err=Sink(sys.stderr),
        quiet=args.quiet,
    ).run()


def _ranks(client: Client, args: Namespace) -> IDset:
    from fluxplug.values.idset import IDset  # noqa: PLC0415

    status = client.get("/v1/resources/status")
    known = IDset(status["online"]) | IDset(status["offline"])
    usable = IDset(status["online"]) - IDset(status["exclude"])
    if args.jobid is not None:
        held = list(IDset(client.get(path_of(args.jobid))["job"].get("ranks", "")))
        places = range(len(held)) if args.rank == "all" else _idset("--rank", args.rank)
        ranks = IDset([held[place] for place in places if place < len(held)])
    elif args.rank == "all":
        ranks = usable
    else:
        ranks = _idset("--rank", args.rank)
    if args.exclude is not None:
        ranks -= _idset("--exclude", args.exclude)
    if ranks - known:
        raise CommandError(f"no rank {ranks - known}; there are {known}")
    if ranks - IDset(status["online"]):
        print(f"fluxplug exec: down: rank {ranks - IDset(status['online'])}", file=sys.stderr)
        raise SystemExit(68)
    if not ranks:
        raise CommandError("no ranks are left to run on")
    return ranks


def _idset(option: str, text: str) -> IDset:
    from fluxplug.values.idset import IDset  # noqa: PLC0415

    try:
        return IDset(text)
    except ValueError as error:
        raise CommandError(f"{option}: {error}") from None
