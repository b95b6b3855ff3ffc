"""Cancel jobs: those named, or with --all your own that are active.

Running tasks get SIGTERM, and SIGKILL where they have not ended a few seconds later.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from fluxplug.cli.live import CommandUsageError, add_uri, connect, jobid, userid, warn, words_of

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("ids", nargs="*", metavar="JOBID", help="the jobs to cancel")
    parser.add_argument("--all", action="store_true", help="all of your jobs")
    parser.add_argument("-n", "--dry-run", action="store_true", help="say how many would be cancelled, and cancel none")
    parser.add_argument("-u", "--user", metavar="USER", help="the jobs of this user; all: of everybody")
    parser.add_argument(
        "-S",
        "--states",
        metavar="STATE,...",
        help="only in these states: pending, running, active (the default), or others",
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="say nothing where no job matches")
    parser.add_argument("-m", "--message", metavar="NOTE", default="", help="why")
    add_uri(parser)


def run(args: Namespace) -> int:
    chosen = args.all or args.user is not None or args.states is not None
    if args.ids and chosen:
        raise CommandUsageError("give job ids, or --all, --user and --states")
    if not args.ids and not chosen:
        raise CommandUsageError("give job ids, or --all")
    body: dict[str, Any] = {"type": "cancel", "severity": 0, "note": args.message, "dry_run": args.dry_run}
    if args.ids:
        body["ids"] = [str(int(jobid(text))) for text in args.ids]
    else:
        body |= selection(args.user, args.states)
    answer = connect(args).post("/v1/jobs/raise", body)
    if args.ids:
        for error in answer["errors"]:
            warn("cancel", f"{jobid(error['id']).f58}: {error['message']}")
        return 1 if answer["errors"] else 0
    matched, errors = answer["matched"], len(answer["errors"])
    if args.dry_run or matched == 0:
        if not args.quiet or matched:
            print(f"fluxplug cancel: Matched {matched} job{'s' * (matched != 1)}", file=sys.stderr)
    elif not args.quiet:
        text = f"Canceled {matched} job{'s' * (matched != 1)} ({errors} error{'s' * (errors != 1)})"
        print(f"fluxplug cancel: {text}", file=sys.stderr)
    return 0


def selection(user: str | None, states: str | None) -> dict[str, Any]:
    """The members of a request for jobs of a user (default: oneself) in some states."""
    number = os.getuid() if user is None else userid(user)
    return {"userid": None if number < 0 else number, "states": words_of(states or "active")}
