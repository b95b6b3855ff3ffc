"""End an instance, and wait until it has ended. Running jobs are cancelled; what is stored stays."""

from __future__ import annotations

import os
from typing import IO, TYPE_CHECKING

from fluxplug.cli.live import add_uri, connect

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from fluxplug.client import Client


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("target", nargs="?", metavar="URI", help="where it is; the same as --uri")
    parser.add_argument("-m", "--message", metavar="REASON", default="", help="why, for its log")
    parser.add_argument(
        "--leave", action="store_true", help="let tasks go on, for the next server on the same state directory"
    )
    parser.add_argument("--background", action="store_true", help="do not wait")
    parser.add_argument("--quiet", action="store_true", help="accepted as in Flux: there is nothing to say")
    add_uri(parser)


def run(args: Namespace) -> int:
    from contextlib import suppress  # noqa: PLC0415

    from fluxplug.errors import ConnectionFailedError, UnknownOutcomeError  # noqa: PLC0415

    args.uri = args.target or args.uri
    client = connect(args)
    journal = client.stream("/v1/events", since=-1, follow=True)
    next(journal)
    lock = None if args.background else _lock(client)
    with suppress(UnknownOutcomeError):  # it may end before it can answer
        client.post("/v1/shutdown", {"reason": args.message, "leave": args.leave})
    if not args.background:
        with suppress(ConnectionFailedError):
            for _ in journal:
                pass
        if lock is not None:
            import fcntl  # noqa: PLC0415

            with lock:
                fcntl.flock(lock, fcntl.LOCK_SH)  # the server holds it until its end
    return 0


def _lock(client: Client) -> IO[bytes] | None:
    """The lock file of an instance on this host."""
    if not client.address.socket:
        return None
    try:
        return open(os.path.join(os.path.dirname(client.address.socket), "lock"), "rb")  # noqa: PTH118, PTH120, PTH123
    except OSError:
        return None
