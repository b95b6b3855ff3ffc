"""Print where an instance is reached, for FLUXPLUG_URI or `--uri`.

TARGET is a job that has an instance in it (by id, or ID/ID for one within that), `.` for the present instance (the default), `..` for the one
that it runs in, `/` for the outermost, or pid:N for that of a process. The exit code is 1 where there is none.
"""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

from fluxplug.cli.live import CommandError, add_uri, connect, jobid, path_of

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from fluxplug.client import Client

_MAX_LEVELS = 64


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "target", nargs="?", default=".", metavar="TARGET", help="JOBID, JOBID/JOBID, . (the default), .., / or pid:N"
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--local", action="store_true", help="as processes on its host reach it")
    form.add_argument("--remote", action="store_true", help="as it is reached from other hosts, ssh://HOST/PATH")
    parser.add_argument("--wait", action="store_true", help="wait until the instance of a job is up")
    add_uri(parser)


def run(args: Namespace) -> int:
    from fluxplug.job.info import JobURI  # noqa: PLC0415

    target = args.target.removeprefix("jobid:")
    if target.startswith("pid:"):
        print(_of_process(target[4:]))
        return 0
    found = resolve(connect(args), target, wait=args.wait).uri
    uri = JobURI(found, socket.gethostname())
    print(uri.remote if args.remote else uri.local if args.local else found)
    return 0


def _of_process(text: str) -> str:
    if not text.isdecimal():
        raise CommandError(f"pid:{text}: expected a number")
    try:
        with open(f"/proc/{int(text)}/environ", "rb") as file:  # noqa: PTH123
            environ = dict(one.partition(b"=")[::2] for one in file.read().split(b"\0"))
    except OSError as error:
        raise CommandError(f"pid:{text}: {error.strerror}") from None
    uri = environ.get(b"FLUXPLUG_URI") or environ.get(b"FLUX_URI")
    if not uri:
        raise CommandError(f"pid:{text}: the process belongs to no instance")
    return os.fsdecode(uri)


def resolve(client: Client, target: str, *, wait: bool = False) -> Client:
    """A client of the instance that TARGET is, as seen from that of `client`; `wait` for one that is not up yet. Raises CommandError."""
    from fluxplug.client import Client  # noqa: PLC0415

    if target == "/":
        for _ in range(_MAX_LEVELS):
            parent = client.get("/v1").get("parent_uri")
            if not parent:
                break
            client = Client(parent)
        return client
    for step in target.split("/"):
        if step == "..":
            parent = client.get("/v1").get("parent_uri")
            if not parent:
                raise CommandError("the instance runs in no other")
            client = Client(parent)
        elif step not in {"", "."}:
            client = Client(_of_job(client, step, wait=wait))
    client.get("/v1")  # whether anybody serves there
    return client


def _of_job(client: Client, text: str, *, wait: bool) -> str:
    from fluxplug.job.info import JobInfo  # noqa: PLC0415

    path, shown = path_of(text), jobid(text).f58
    job = JobInfo(client.get(path)["job"])
    if not job.uri and wait and job.state != "INACTIVE":
        for event in client.stream(f"{path}/eventlog", resume=True, follow=True):
            if event["name"] == "memo" and "uri" in event["context"]:
                return str(event["context"]["uri"])
    if job.state != "RUN":
        raise CommandError(f"{shown}: the job is not running")
    if not job.uri:
        raise CommandError(f"{shown}: there is no instance in the job, or it is not up yet")
    return str(job.uri)
