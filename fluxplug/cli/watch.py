"""Show the output of jobs until they end: of those named, or of your own.

The exit code is the largest of the jobs'; 0 where no job matches.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from fluxplug.cli.jobs import add_word_filter
from fluxplug.cli.live import CommandUsageError, add_uri, connect, natural

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("ids", nargs="*", metavar="JOBID", help="the jobs to watch")
    parser.add_argument("-a", "--active", action="store_true", help="all of your active jobs")
    parser.add_argument("-A", "--all", action="store_true", help="all of your jobs, those that have ended too")
    parser.add_argument("-c", "--count", metavar="N", type=natural, default=1000, help="at most N (default: 1000)")
    add_word_filter(parser)
    parser.add_argument("--since", metavar="WHEN", help="jobs active since -TIME or a date; implies -A")
    parser.add_argument("--progress", action="store_true", help="show how many jobs are done")
    parser.add_argument("--jps", action="store_true", help="with --progress, show jobs per second")
    parser.add_argument("-l", "--label-io", action="store_true", help="begin each line with job and task")
    parser.add_argument("-v", "--verbose", action="count", default=0, help="say which jobs are watched")
    add_uri(parser)


def run(args: Namespace) -> int:
    from argparse import Namespace as Arguments  # noqa: PLC0415

    from fluxplug.cli.follow import Followed, Follower, Progress, Sink  # noqa: PLC0415
    from fluxplug.cli.jobs import find  # noqa: PLC0415

    chosen = args.active or args.all or args.filter or args.since
    if args.ids and chosen:
        raise CommandUsageError("give job ids, or --active, --all, --filter and --since")
    if not args.ids and not chosen:
        raise CommandUsageError("give job ids, or --active or --all")
    client = connect(args)
    follower = Follower(client, watch=True, labels=args.label_io)
    progress = Progress(follower, rate=args.jps) if args.progress else None
    which = Arguments(**{**vars(args), "all": args.all or bool(args.since), "everybody": False, "user": None})
    infos, missing = find(client, which, None)
    for text in missing:
        print(f"fluxplug watch: {text}: unknown job id", file=sys.stderr)
    out, err = Sink(), Sink(sys.stderr)
    for job in reversed(infos):
        if args.verbose:
            err.write(f"watching {job.id.f58}\n")
        follower.add(int(job.id), Followed(job.id.f58, out, err))
    follower.look(infos)
    follower.run()
    if progress is not None:
        progress.end()
    return max([int(bool(missing) or follower.lost), *(one.code() for one in follower.outcomes.values())])
