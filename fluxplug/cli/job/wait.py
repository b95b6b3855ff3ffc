"""`fluxplug job attach`, `status` and `wait`: what waits for jobs."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from fluxplug.cli.live import CommandError, connect, jobid, natural, text_of, warn

if TYPE_CHECKING:
    from argparse import Namespace

    from fluxplug.cli.live import Actions


def add_actions(actions: Actions) -> None:
    parser = actions.add("attach", attach, "show the output of a job, and hand input and signals on to it")
    parser.add_argument("id", metavar="JOBID", help="the job")
    parser.add_argument("-l", "--label-io", action="store_true", help="begin each line of output with its task")
    parser.add_argument(
        "-u", "--unbuffered", action="store_true", help="accepted as in Flux: input is handed on at once"
    )
    parser.add_argument(
        "-i", "--stdin-ranks", metavar="RANKS", default="all", help="the tasks that get the input (default: all)"
    )
    parser.add_argument(
        "--tail",
        metavar="N",
        type=natural,
        nargs="?",
        const=10,
        help="of what was written so far only the last N lines (10)",
    )
    parser.add_argument("--read-only", action="store_true", help="hand on no input")
    parser.add_argument(
        "-v", "--verbose", action="count", default=0, help="show the job id; -vv job events, -vvv all events"
    )
    parser.add_argument(
        "-w", "--wait-event", metavar="EVENT", default="finish", help="follow the job to this event (default: finish)"
    )
    parser.add_argument("-E", "--show-events", action="store_true", help="show the events of the job")
    parser.add_argument("-X", "--show-exec", action="store_true", help="show the events of its execution")
    parser.add_argument(
        "--show-status", action="store_true", help="say what a pending job waits for, also without a terminal"
    )

    parser = actions.add("status", status, "wait for jobs, and end with the largest of their exit codes")
    parser.add_argument("ids", nargs="+", metavar="JOBID", help="the jobs")
    parser.add_argument(
        "-e",
        "--exception-exit-code",
        metavar="N",
        type=natural,
        default=1,
        help="the code of a job that ended before it ran (default: 1)",
    )
    parser.add_argument("-j", "--json", action="store_true", help="print what is known of each job's end, a line a job")
    parser.add_argument("-v", "--verbose", action="count", default=0, help="print how each job ended")

    parser = actions.add(
        "wait",
        wait,
        "wait for a job that was submitted with --flags=waitable",
        "Wait for a job that was submitted with --flags=waitable: the one given, or the next one to end, whose id is printed. Each is waited "
        "for once. The exit code is 0 for a success, 1 for a failure, 2 where there is nothing to wait for.",
    )
    parser.add_argument("id", nargs="?", metavar="JOBID", help="the job")
    parser.add_argument("-a", "--all", action="store_true", help="wait for all")
    parser.add_argument("-v", "--verbose", action="count", default=0, help="print how each job ended")


def attach(args: Namespace) -> int:
    from fluxplug.cli.attach import Attachment  # noqa: PLC0415

    found = jobid(args.id)
    if args.verbose:
        print(f"jobid: {found.f58}", file=sys.stderr)
    return Attachment(
        connect(args),
        int(found),
        "job",
        labels=args.label_io,
        events=args.show_events or args.verbose > 1,
        exec_events=args.show_exec or args.verbose > 2,
        event=args.wait_event,
        stdin="" if args.read_only else args.stdin_ranks,
        status=args.show_status,
        tail=args.tail,
    ).run()


def status(args: Namespace) -> int:
    from fluxplug.cli.follow import Followed, Follower, Sink  # noqa: PLC0415
    from fluxplug.job.info import JobInfo  # noqa: PLC0415

    client = connect(args)
    ids = [jobid(text) for text in args.ids]
    follower = Follower(client)
    out = Sink()
    for one in ids:
        follower.add(int(one), Followed(one.f58, out, out))
    asked = {"ids": [str(int(one)) for one in ids], "attrs": ["all"]}
    records = client.post("/v1/jobs/list", asked, again=True)["jobs"]
    known = {int(jobid(record["id"])) for record in records}
    for one in ids:
        if int(one) not in known:
            raise CommandError(f"{one.f58}: unknown job id")
    follower.look(records)
    follower.run()
    if args.json or args.verbose:
        for record in client.post("/v1/jobs/list", asked, again=True)["jobs"]:
            if args.json:
                print(json.dumps(record, ensure_ascii=False))
            else:
                job = JobInfo(record)
                print(
                    f"{job.id.f58}: {job.inactive_reason if job.result != 'COMPLETED' else 'Exit 0'}", file=sys.stderr
                )
    codes = [one.code(args.exception_exit_code) for one in follower.outcomes.values()]
    return max([int(follower.lost), *codes])


def wait(args: Namespace) -> int:
    import errno  # noqa: PLC0415

    from fluxplug.errors import ApiError  # noqa: PLC0415

    client = connect(args)
    body = {"id": None if args.id is None else str(int(jobid(args.id)))}
    code = 0
    first = True
    while True:
        try:
            found = client.post("/v1/wait", body, within=None, resume=True)
        except ApiError as error:
            if error.errno != errno.ECHILD:
                raise
            if first or not args.all:
                warn("job", text_of(error))
                return 2
            return code
        first = False
        shown = jobid(found["id"]).f58
        if not found["success"]:
            code = 1
        if args.all or args.verbose:
            if not found["success"] or args.verbose:
                print(
                    f"{shown}: {'job completed successfully' if found['success'] else found['errstr']}", file=sys.stderr
                )
        elif args.id is None:
            print(shown)
        if not args.all:
            if not found["success"] and not args.verbose:
                warn("job", found["errstr"])
            return code
