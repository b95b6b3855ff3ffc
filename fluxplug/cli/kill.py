"""Send a signal to the tasks of running jobs; `fluxplug job kill` is the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fluxplug.cli.live import add_uri, connect, jobid, signal_number, warn

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace


def add_arguments(parser: ArgumentParser) -> None:
    add_options(parser)
    add_uri(parser)


def add_options(parser: ArgumentParser) -> None:
    """All options but `--uri`."""
    parser.add_argument("ids", nargs="+", metavar="JOBID", help="the jobs")
    parser.add_argument(
        "-s", "--signal", metavar="SIGNAL", default="SIGTERM", help="its name or number (default: SIGTERM)"
    )


def run(args: Namespace) -> int:
    ids = [str(int(jobid(text))) for text in args.ids]
    answer = connect(args).post("/v1/jobs/kill", {"ids": ids, "signum": signal_number(args.signal)})
    for error in answer["errors"]:
        warn("kill", f"{jobid(error['id']).f58}: {error['message']}")
    return 1 if answer["errors"] else 0
