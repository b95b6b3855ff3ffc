"""Submitting the jobs of a command line: one request for all of them, and then waiting, watching, or attaching, as the options say."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, NamedTuple

from fluxplug.cli.submission.values import FLAGS

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable

    from fluxplug.cli.follow import Sink
    from fluxplug.client import Client
    from fluxplug.jobspec.v1 import JobspecV1

_FLAGS = dict(zip(FLAGS, (2, 4, 8), strict=True))
# The largest number of jobs in one request.
_MOST = 10_000


class Ready(NamedTuple):
    """A job that can be submitted: its arguments, and its jobspec."""

    args: Namespace
    jobspec: JobspecV1


def send(prog: str, args: Namespace, jobs: list[Ready]) -> int:
    """Submit the jobs, and do what the options say then. Returns the exit code. Raises what Client raises."""
    if not jobs:
        return 0
    from fluxplug.client import Client  # noqa: PLC0415

    client = Client(args.uri)
    if prog == "run" or (prog == "alloc" and not args.bg):
        return _attached(prog, client, jobs[0])
    wait = any(getattr(args, name, None) for name in ("wait", "watch", "wait_event", "progress"))
    sinks = _Sinks()
    try:
        if wait or prog == "alloc":
            return _followed(prog, client, args, jobs, sinks)
        code = 0
        for ready, found in zip(jobs, _submit(client, jobs), strict=True):
            out, err = sinks.of(ready.args)
            code = max(code, _tell(prog, ready, found, out.write, err.write))
        return code
    finally:
        sinks.close()


def _submit(client: Client, jobs: list[Ready]) -> list[dict[str, Any]]:
    """`{id}` or `{error}` for each job, in order."""
    found: list[dict[str, Any]] = []
    for begin in range(0, len(jobs), _MOST):
        bodies = [
            {"jobspec": one.jobspec.jobspec, "urgency": _urgency(one.args), "flags": _flags(one.args)}
            for one in jobs[begin : begin + _MOST]
        ]
        if len(jobs) == 1:
            return [client.post("/v1/jobs", bodies[0])]
        found += client.post("/v1/jobs", {"jobs": bodies})["jobs"]
    return found


def _urgency(args: Namespace) -> int:
    return 16 if args.urgency is None else int(args.urgency)


def _flags(args: Namespace) -> int:
    return sum(_FLAGS[name] for name in set(args.flags or ()))


def _tell(
    prog: str, ready: Ready, found: dict[str, Any], out: Callable[[str], None], err: Callable[[str], None]
) -> int:
    """Print the id of a job, or why there is none."""
    error = found.get("error")
    if error is not None:
        err(f"fluxplug {prog}: [Errno {error['errno']}] {error['message']}\n")
        return 1
    if not ready.args.quiet:
        out(f"{_shown(found['id'])}\n")
    return 0


def _shown(text: str) -> str:
    from fluxplug.values.jobid import JobID  # noqa: PLC0415

    return JobID(text).f58


class _Sinks:
    """Where what is said of each job goes: standard output and error, or the files of --log and --log-stderr."""

    def __init__(self) -> None:
        from fluxplug.cli.follow import Sink  # noqa: PLC0415

        self._plain = Sink(), Sink(sys.stderr)
        self._files: dict[str, Sink] = {}

    def of(self, args: Namespace) -> tuple[Sink, Sink]:
        out, err = getattr(args, "log", None), getattr(args, "log_stderr", None)
        both = self._file(str(out)) if out else None
        return both or self._plain[0], self._file(str(err)) if err else both or self._plain[1]

    def close(self) -> None:
        """Close the files."""
        for sink in self._files.values():
            sink.close()

    def _file(self, path: str) -> Sink:
        from fluxplug.cli.follow import Sink  # noqa: PLC0415

        if path not in self._files:
            self._files[path] = Sink(path=path)
        return self._files[path]


def _attached(prog: str, client: Client, ready: Ready) -> int:
    from fluxplug.cli.attach import Attachment  # noqa: PLC0415

    one = ready.args
    _add_window(ready.jobspec)
    found = _submit(client, [ready])[0]["id"]
    if one.verbose:
        print(f"jobid: {_shown(found)}", file=sys.stderr)
    from fluxplug.values.jobid import id_parse  # noqa: PLC0415

    source = getattr(one, "input", None)
    stdin = "all"
    if source:
        from fluxplug.cli.submission.build import is_idset  # noqa: PLC0415

        stdin = source if is_idset(source) else ""
    return Attachment(
        client,
        id_parse(found),
        prog,
        labels=bool(getattr(one, "label_io", False)),
        events=one.verbose > 1,
        exec_events=one.verbose > 2,
        event=getattr(one, "wait_event", None) or "finish",
        stdin=stdin,
    ).run()


def _add_window(jobspec: JobspecV1) -> None:
    """Let the terminal of a job that somebody is to sit at begin in the size of ours: the job may look before we can tell it."""
    if sys.stdin is None or not sys.stdin.isatty():
        return
    from fluxplug.cli.terminal import interactive_ranks, terminal_of, window  # noqa: PLC0415 - only where there is a terminal

    if interactive_ranks(jobspec.jobspec):
        size = window(terminal_of(sys.stdin))
        if size is not None:
            jobspec.setattr_shell_option("pty.winsize", size)


def _followed(prog: str, client: Client, args: Namespace, jobs: list[Ready], sinks: _Sinks) -> int:
    from fluxplug.cli.follow import Followed, Follower, Progress  # noqa: PLC0415
    from fluxplug.values.jobid import id_parse  # noqa: PLC0415

    watch = bool(getattr(args, "watch", False))
    # An instance that is up says so in a memo.
    event = "memo" if prog == "alloc" else getattr(args, "wait_event", None) or "clean"
    follower = Follower(client, watch=watch, labels=watch and bool(args.label_io), event=event)
    progress = Progress(follower, rate=bool(args.jps)) if getattr(args, "progress", False) else None
    code = 0
    for ready, found in zip(jobs, _submit(client, jobs), strict=True):
        out, err = sinks.of(ready.args)
        if prog != "alloc" or "error" in found:
            code = max(code, _tell(prog, ready, found, out.write, err.write))
        if "id" in found:
            follower.add(id_parse(found["id"]), Followed(_shown(found["id"]), out, err))
    follower.run()
    if progress is not None:
        progress.end()
    if prog == "alloc":
        for one in follower.outcomes.values():
            if one.over:
                print("fluxplug alloc: the job ended before its instance was up", file=sys.stderr)
                return one.code() or 1
        for followed in follower.followed():
            print(followed.shown)
        return code
    return max([code, int(follower.lost), *(one.code() for one in follower.outcomes.values())])
