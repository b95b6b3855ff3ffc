"""List jobs: by default your own that are pending or running.

With job ids, these alone. `--format=help` lists the formats that have names; any text with fields such as `{id.f58} {name}` is one too.
"""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any

from fluxplug.cli.live import (
    ACTIVE,
    CommandError,
    add_color,
    add_uri,
    connect,
    jobid,
    natural,
    print_lines,
    userid,
    wants_color,
    warn,
    words_of,
)

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace, _ActionsContainer

    from fluxplug.client import Client
    from fluxplug.job.info import JobInfo
    from fluxplug.listing.jobs import JobInfoFormat

STATES = ("depend", "priority", "sched", "run", "cleanup", "inactive", "pending", "running", "active")
RESULTS = ("completed", "failed", "canceled", "timeout")
_COLORS = {"COMPLETED": "32", "FAILED": "31", "TIMEOUT": "31", "CANCELED": "90", "DEPEND": "36", "PRIORITY": "36"}


def add_word_filter(parser: _ActionsContainer) -> None:
    """The option that chooses jobs by state and result."""
    words = ", ".join((*STATES, *RESULTS))
    parser.add_argument(
        "-f", "--filter", metavar="WORD,...", action="append", help=f"in these states or with these results: {words}"
    )


def add_arguments(parser: ArgumentParser) -> None:
    which = parser.add_argument_group("which jobs")
    which.add_argument("ids", nargs="*", metavar="JOBID", help="these jobs")
    add_filters(which)
    which.add_argument("--name", metavar="NAME", help="jobs of this name")
    which.add_argument("-q", "--queue", metavar="NAME,...", action="append", help="jobs of these queues")
    which.add_argument(
        "-i", "--include", metavar="HOSTS|RANKS", help="jobs that have some of these nodes, of all users"
    )
    which.add_argument(
        "-c", "--count", metavar="N", type=natural, default=1000, help="at most N; 0: all (default: 1000)"
    )
    which.add_argument("--since", metavar="WHEN", help="jobs active since -TIME or a date; implies -a")
    look = parser.add_argument_group("how they look")
    look.add_argument("-o", "--format", metavar="FORMAT", help="a format or its name; help; get-config=NAME")
    look.add_argument("-n", "--no-header", action="store_true", help="no line of headings")
    look.add_argument(
        "-w",
        "--width",
        metavar="N",
        type=natural,
        nargs="?",
        const=-1,
        default=0,
        help="cut lines to N characters, or to the terminal",
    )
    look.add_argument("--sort", metavar="[-]KEY,...", help="sort by these fields")
    look.add_argument("--json", action="store_true", help="print JSON")
    look.add_argument("--stats", action="store_true", help="print counts first")
    look.add_argument(
        "--stats-only", action="store_true", help="print counts alone; exit code 1 where no job is active"
    )
    add_color(look)
    nested = parser.add_argument_group("instances within jobs")
    nested.add_argument("-R", "--recursive", action="store_true", help="list their jobs too")
    nested.add_argument("--recurse-all", action="store_true", help="also those of other users")
    nested.add_argument("-L", "--level", metavar="N", type=natural, default=0, help="only N levels deep")
    nested.add_argument("--threads", metavar="N", type=natural, help="accepted as in Flux, and not needed")
    add_uri(parser)


def add_filters(parser: Any) -> None:
    """The options of whose jobs in which states, which other commands have too."""
    parser.add_argument("-a", dest="all", action="store_true", help="in any state")
    parser.add_argument("-A", dest="everybody", action="store_true", help="of all users")
    parser.add_argument("-u", "--user", metavar="USER", help="of this user; a name, a number, or all")
    add_word_filter(parser)


def run(args: Namespace) -> int:
    from fluxplug.listing.formats import Formats  # noqa: PLC0415
    from fluxplug.listing.jobs import JobInfoFormat  # noqa: PLC0415

    formats = Formats("jobs")
    if shown_format(formats, args.format):
        return 0
    table = JobInfoFormat(formats.find(args.format))
    if args.sort:
        table.set_sort_keys(args.sort)
    client = connect(args)
    code = 0
    if args.stats or args.stats_only:
        line, active = _stats(client, args.queue)
        print(line)
        if args.stats_only:
            return 0 if active else 1
    infos, missing = find(client, args, None if args.json or args.recursive else attributes(table))
    for text in missing:
        print(f"JobID {text} unknown", file=sys.stderr)
        code = 1
    if args.json:
        found = [job.to_dict() for job in infos]
        # One id asks for one object.
        document = found[0] if len(args.ids) == 1 and found else {"jobs": found}
        if found or not args.ids:
            print(json.dumps(document, ensure_ascii=False))
        return code
    _print(args, table, infos)
    if args.recursive:
        _recurse(args, table, infos, 1)
    return code


def shown_format(formats: Any, text: str | None) -> bool:
    """Whether the format asks about formats; it has been answered then."""
    if text == "help":
        print(formats.help())
    elif text is not None and text.startswith("get-config="):
        print(formats.get_config(text.partition("=")[2]))
    else:
        return False
    return True


def attributes(table: JobInfoFormat) -> list[str]:
    """What to ask the instance for, for a table."""
    from fluxplug.listing.jobs import job_fields_to_attrs  # noqa: PLC0415

    keys = [name for name, _ in table._sort_keys]  # noqa: SLF001
    return sorted(job_fields_to_attrs([*table.fields, *keys]) | {"id", "state", "result"})


def find(client: Client, args: Namespace, attrs: list[str] | None) -> tuple[list[JobInfo], list[str]]:
    """The jobs that the arguments ask for, in the order of the listing, and the ids among the arguments that are unknown."""
    from fluxplug.clock import SystemClock  # noqa: PLC0415
    from fluxplug.job.info import JobInfo  # noqa: PLC0415

    now = SystemClock().now()
    body: dict[str, Any] = {"attrs": attrs or ["all"]}
    ids = [jobid(text) for text in args.ids]
    if ids:
        body["ids"] = [str(int(one)) for one in ids]
    else:
        body["max_entries"] = args.count
        body["constraint"] = constraint(client, args)
        if args.since:
            body["since"] = _since(args.since, now)
    infos = [JobInfo(record, now) for record in client.post("/v1/jobs/list", body, again=True)["jobs"]]
    known = {int(job.id) for job in infos} if ids else set()
    return infos, [text for text, one in zip(args.ids, ids, strict=True) if int(one) not in known]


def constraint(client: Client, args: Namespace) -> dict[str, Any]:
    """The arguments as a constraint (RFC 43). Raises CommandError for a word that is neither state nor result."""
    terms: list[dict[str, Any]] = []
    include = getattr(args, "include", None)
    everybody = args.everybody or (include and args.user is None)
    if not everybody:
        user = os.getuid() if args.user is None else userid(args.user)
        if user >= 0:
            terms.append({"userid": [user]})
    words = [word for text in args.filter or () for word in words_of(text)]
    if not words and not args.all and not getattr(args, "since", None):
        words = list(ACTIVE)
    for word in words:
        if word not in (*STATES, *RESULTS):
            raise CommandError(f"Invalid filter specified: {word}; expected {', '.join((*STATES, *RESULTS))}")
    states, results = ([word for word in words if word in known] for known in (STATES, RESULTS))
    asked = [{key: some} for key, some in (("states", states), ("results", results)) if some]
    if asked:
        terms.append(asked[0] if len(asked) == 1 else {"or": asked})
    if getattr(args, "name", None):
        terms.append({"name": [args.name]})
    if getattr(args, "queue", None):
        terms.append({"queue": _queues(client, [name for text in args.queue for name in text.split(",")])})
    if include:
        terms.append(_nodes(include))
    return {"and": terms} if terms else {}


def _queues(client: Client, names: list[str]) -> list[str]:
    """These queues, and the virtual ones that belong to them."""
    queues = client.get("/v1/queues")["queues"]
    for name in names:
        if name not in {queue["name"] for queue in queues}:
            raise CommandError(f"'{name}' is not a valid queue")
    return [*names, *(queue["name"] for queue in queues if queue.get("parent") in names)]


def _nodes(text: str) -> dict[str, Any]:
    from fluxplug.values.idset import IDset  # noqa: PLC0415

    try:
        IDset(text)
    except ValueError:
        return {"hostlist": [text]}
    return {"ranks": [text]}


def _since(text: str, now: float) -> float:
    from fluxplug.clock import parse_datetime  # noqa: PLC0415

    found = parse_datetime(text, now, past=True)
    if found > now:
        raise CommandError(f"--since={text}: the time must be in the past")
    return found


def _stats(client: Client, names: list[str] | None) -> tuple[str, int]:
    """The line of --stats, of all jobs or of some queues', and how many of them are active."""
    chosen = [None] if not names else _queues(client, [name for text in names for name in text.split(",")])
    counts = [client.get("/v1/stats", queue=queue)["jobs"] for queue in dict.fromkeys(chosen)]
    jobs = {key: sum(one[key] for one in counts) for key in counts[0]}
    running = jobs["run"] + jobs["cleanup"]
    pending = jobs["depend"] + jobs["priority"] + jobs["sched"]
    failed = jobs["failed"] + jobs["canceled"] + jobs["timeout"]
    line = (
        f"{running} running, {jobs['successful']} completed, {failed} failed, {pending} pending, "
        f"{jobs['inactive_purged']} inactive purged"
    )
    return line, running + pending


def _print(args: Namespace, table: JobInfoFormat, infos: list[JobInfo]) -> None:
    table.sort_items(infos)
    width = args.width
    if width < 0:
        import shutil  # noqa: PLC0415

        width = shutil.get_terminal_size().columns
    lines = table.lines(infos, args.no_header, width)
    if wants_color(args):
        head = len(lines) - len(infos)
        for at, job in enumerate(infos, head):
            color = _COLORS.get(job.status)
            if color:
                lines[at] = f"\x1b[{color}m{lines[at]}\x1b[0m"
    print_lines(lines)


def _recurse(args: Namespace, table: JobInfoFormat, infos: list[JobInfo], level: int) -> None:
    """List the jobs of instances that run in these jobs, each below a line with the job's id."""
    if args.level and level > args.level:
        return
    from fluxplug.client import Client  # noqa: PLC0415
    from fluxplug.errors import FluxplugError  # noqa: PLC0415

    for job in infos:
        if job.state != "RUN" or not job.uri or not (args.recurse_all or job.userid == os.getuid()):
            continue
        try:
            inner, _ = find(Client(str(job.uri.local or job.uri)), _without_ids(args), None)
        except FluxplugError as error:
            warn("jobs", f"{job.id.f58}: {error}")
            continue
        print(f"\n{job.id.f58}:")
        _print(args, table, inner)
        _recurse(args, table, inner, level + 1)


def _without_ids(args: Namespace) -> Namespace:
    from argparse import Namespace as Arguments  # noqa: PLC0415

    return Arguments(**{**vars(args), "ids": []})
