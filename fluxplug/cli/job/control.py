"""`fluxplug job urgency`, `kill`, `killall`, `raise`, `raiseall`, `memo`, `purge` and `submit`: what changes something."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from fluxplug.cli import kill as kill_command
from fluxplug.cli.cancel import selection
from fluxplug.cli.live import (
    CommandError,
    CommandUsageError,
    connect,
    duration,
    jobid,
    natural,
    path_of,
    signal_number,
    warn,
    words_of,
)

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from fluxplug.cli.live import Actions

_URGENCIES = {"hold": 0, "default": 16, "expedite": 31}
_FLAGS = {"debug": 2, "waitable": 4, "novalidate": 8}
_SEVERITIES = range(8)


def _add_severity(parser: ArgumentParser, default: int) -> None:
    about = f"0, which ends a job, to 7 (default: {default})"
    parser.add_argument("-s", "--severity", metavar="N", type=natural, choices=_SEVERITIES, default=default, help=about)


def add_actions(actions: Actions) -> None:
    parser = actions.add("urgency", urgency, "change the urgency of a pending job")
    parser.add_argument("id", metavar="JOBID", help="the job")
    parser.add_argument("urgency", metavar="N", help="0 to 31, hold (0), default (16) or expedite (31)")
    parser.add_argument("-v", "--verbose", action="count", default=0, help="print the old one")

    parser = actions.add("kill", kill_command.run, "send a signal to the tasks of running jobs")
    kill_command.add_options(parser)

    parser = actions.add("killall", killall, "send a signal to all of your running jobs")
    parser.add_argument("-u", "--user", metavar="USER", help="to those of this user; all: of everybody")
    parser.add_argument(
        "-s", "--signal", metavar="SIGNAL", default="SIGTERM", help="its name or number (default: SIGTERM)"
    )
    parser.add_argument("-f", "--force", action="store_true", help="do it; otherwise say how many there are")

    parser = actions.add("raise", raise_, "raise an exception of jobs; the note may follow --")
    parser.rest = "words"
    parser.add_argument("ids", nargs="+", metavar="JOBID", help="the jobs")
    parser.add_argument("-t", "--type", metavar="TYPE", default="cancel", help="its type (default: cancel)")
    _add_severity(parser, 0)
    parser.add_argument("-m", "--message", metavar="NOTE", help="the note")

    parser = actions.add("raiseall", raiseall, "raise an exception of all of your active jobs")
    parser.add_argument("type", metavar="TYPE", help="its type")
    parser.add_argument("note", nargs="*", metavar="NOTE", help="the note")
    _add_severity(parser, 7)
    parser.add_argument("-u", "--user", metavar="USER", help="of those of this user; all: of everybody")
    parser.add_argument("-S", "--states", metavar="STATE,...", help="only in these states (default: active)")
    parser.add_argument("-f", "--force", action="store_true", help="do it; otherwise say how many there are")

    parser = actions.add("memo", memo, "note something on an active job")
    parser.add_argument("id", metavar="JOBID", help="the job")
    parser.add_argument("memos", nargs="+", metavar="KEY=VALUE", help="the value is JSON, or else a text; null deletes")
    parser.add_argument("--volatile", action="store_true", help="keep it out of the event log")

    parser = actions.add("purge", purge, "forget inactive jobs")
    parser.add_argument("ids", nargs="*", metavar="JOBID", help="these jobs")
    parser.add_argument("--age-limit", metavar="TIME", type=duration, help="those that ended longer ago")
    parser.add_argument("--num-limit", metavar="N", type=natural, help="all but the latest N")
    parser.add_argument("-f", "--force", action="store_true", help="do it; otherwise say how many there are")
    parser.add_argument("--batch", metavar="N", type=natural, help="accepted as in Flux, and not needed")

    parser = actions.add("submit", submit, "submit a jobspec as it is, from a file or standard input")
    parser.add_argument(
        "file", nargs="?", metavar="FILE", default="-", help="JSON or YAML; - for standard input (the default)"
    )
    parser.add_argument("-u", "--urgency", metavar="N", default="default", help="0 to 31, hold, default or expedite")
    parser.add_argument(
        "-f", "--flags", metavar="FLAG,...", action="append", default=[], help="debug, waitable, novalidate"
    )


def _urgency(text: str) -> int:
    found = _URGENCIES.get(text, int(text) if text.isdecimal() and len(text) < 5 else -1)
    if not 0 <= found <= 31:
        raise CommandUsageError(f"urgency {text!r}: expected 0 to 31, hold, default or expedite")
    return found


def urgency(args: Namespace) -> int:
    new = _urgency(args.urgency)
    old = connect(args).post(f"{path_of(args.id)}/urgency", {"urgency": new})["urgency"]
    if args.verbose:
        words = {0: "job held", 31: "job expedited"}
        print(f"old urgency: {words.get(old, old)}", file=sys.stderr)
    return 0


def _many(args: Namespace, what: str, body: dict[str, Any]) -> int:
    """Do something to all jobs of a selection; without --force only say to how many."""
    answer = connect(args).post(f"/v1/jobs/{what}", {**body, "dry_run": not args.force})
    matched, errors = answer["matched"], answer["errors"]
    if not args.force:
        print(f"Command matched {matched} job{'s' * (matched != 1)} (-f to confirm)", file=sys.stderr)
        return 0
    for error in errors:
        warn("job", f"{jobid(error['id']).f58}: {error['message']}")
    return 1 if errors else 0


def killall(args: Namespace) -> int:
    return _many(args, "kill", {**selection(args.user, "running"), "signum": signal_number(args.signal)})


def raise_(args: Namespace) -> int:
    if args.message is not None and args.words:
        raise CommandUsageError("give the note with --message or after --")
    note = args.message or " ".join(args.words)
    ids = [str(int(jobid(text))) for text in args.ids]
    body = {"ids": ids, "type": args.type, "severity": args.severity, "note": note}
    answer = connect(args).post("/v1/jobs/raise", body)
    for error in answer["errors"]:
        warn("job", f"{jobid(error['id']).f58}: {error['message']}")
    return 1 if answer["errors"] else 0


def raiseall(args: Namespace) -> int:
    body = {"type": args.type, "severity": args.severity, "note": " ".join(args.note)}
    return _many(args, "raise", {**selection(args.user, args.states), **body})


def memo(args: Namespace) -> int:
    found = {}
    for text in args.memos:
        key, equals, value = text.partition("=")
        if not key or not equals:
            raise CommandUsageError(f"{text!r}: expected KEY=VALUE")
        try:
            found[key] = json.loads(value)
        except (ValueError, RecursionError):
            found[key] = value
    connect(args).post(f"{path_of(args.id)}/memo", {"memo": found, "volatile": args.volatile})
    return 0


def purge(args: Namespace) -> int:
    body = {
        "age_limit": args.age_limit,
        "num_limit": args.num_limit,
        "ids": [str(int(jobid(text))) for text in args.ids] or None,
        "force": args.force,
    }
    if all(body[key] is None for key in ("age_limit", "num_limit", "ids")):
        raise CommandUsageError("give job ids, --age-limit or --num-limit")
    client = connect(args, timeout=None)
    answer = client.post("/v1/purge", body)
    if not args.force:
        print(f"use --force to purge {answer['matched']} of {answer['inactive']} inactive jobs", file=sys.stderr)
        return 0
    print(
        f"purged {answer['purged']} inactive jobs, {answer['inactive'] - answer['purged']} remaining", file=sys.stderr
    )
    return 0


def submit(args: Namespace) -> int:
    from fluxplug.errors import DocumentError  # noqa: PLC0415
    from fluxplug.jobspec.document import load_document  # noqa: PLC0415

    number, flags = _urgency(args.urgency), 0
    for word in (word for text in args.flags for word in words_of(text)):
        if word not in _FLAGS:
            raise CommandUsageError(f"--flags={word}: expected {', '.join(_FLAGS)}")
        flags |= _FLAGS[word]
    if args.file == "-":
        text = sys.stdin.read()
    else:
        with open(args.file, encoding="utf-8") as file:  # noqa: PTH123 - pathlib is slow to import
            text = file.read()
    try:
        document = load_document(text)
    except DocumentError as error:
        raise CommandError(f"{args.file}: {error}") from None
    answer = connect(args).post("/v1/jobs", {"jobspec": document, "urgency": number, "flags": flags})
    print(jobid(answer["id"]).f58)
    return 0
