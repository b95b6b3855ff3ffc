"""Cancel jobs by name: your own that are active, unless options say otherwise.

EXPRESSION is a regular expression for the job's name, or a range of ids, ID1..ID2; with one of each, both hold. The exit code is 0 where jobs
match and all are cancelled, otherwise 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fluxplug.cli.live import connect, warn
from fluxplug.cli.pgrep import add_search, search

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace


def add_arguments(parser: ArgumentParser) -> None:
    add_search(parser)
    parser.add_argument("-w", "--wait", action="store_true", help="wait until they have ended")


def run(args: Namespace) -> int:
    client = connect(args)
    found = search(client, args, ["id", "state"])
    if not found:
        return 1
    follower = None
    if args.wait:
        from fluxplug.cli.follow import Followed, Follower, Sink  # noqa: PLC0415

        follower = Follower(client)
        for job in found:
            follower.add(int(job.id), Followed(job.id.f58, Sink(), Sink()))
    ids = [str(int(job.id)) for job in found]
    answer = client.post("/v1/jobs/raise", {"ids": ids, "type": "cancel", "severity": 0})
    for error in answer["errors"]:
        warn("pkill", f"{error['id']}: {error['message']}")
    if follower is not None:
        follower.look(client.post("/v1/jobs/list", {"ids": ids, "attrs": ["all"]}, again=True)["jobs"])
        follower.run()
    return 1 if answer["errors"] else 0
