"""Find jobs by name, and print their ids: your own that are active, unless options say otherwise.

EXPRESSION is a regular expression for the job's name, or a range of ids, ID1..ID2; with one of each, both hold. `name:PATTERN` is a pattern for
the name whatever it looks like. The exit code is 0 where a job matches, 1 where none does.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from fluxplug.cli.jobs import add_filters, attributes, constraint, shown_format
from fluxplug.cli.live import CommandUsageError, add_uri, connect, natural

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from fluxplug.client import Client
    from fluxplug.job.info import JobInfo


def add_arguments(parser: ArgumentParser) -> None:
    add_search(parser)
    parser.add_argument(
        "-o", "--format", metavar="FORMAT", help="a format or its name (default, full, long, deps); help"
    )
    parser.add_argument("-n", "--no-header", action="store_true", help="no line of headings")


def add_search(parser: ArgumentParser) -> None:
    """What pgrep and pkill have alike."""
    parser.add_argument("expressions", nargs="+", metavar="EXPRESSION", help="PATTERN, name:PATTERN or ID1..ID2")
    add_filters(parser)
    parser.add_argument("-q", "--queue", metavar="NAME,...", action="append", help="of these queues")
    parser.add_argument("-c", "--count", metavar="N", type=natural, default=0, help="only the first N that match")
    parser.add_argument(
        "--max-entries", metavar="N", type=natural, default=1000, help="search so many jobs; 0: all (default: 1000)"
    )
    add_uri(parser)


def search(client: Client, args: Namespace, attrs: list[str]) -> list[JobInfo]:
    """The jobs that match. Raises CommandUsageError for an expression that is none."""
    from fluxplug.job.info import JobInfo  # noqa: PLC0415

    patterns, ranges = _read(args.expressions)
    body = {
        "attrs": sorted({*attrs, "name"}),
        "max_entries": args.max_entries,
        "constraint": constraint(client, args),
    }
    found = []
    for record in client.post("/v1/jobs/list", body, again=True)["jobs"]:
        job = JobInfo(record)
        if all(pattern.search(job.name) for pattern in patterns) and all(low <= job.id <= high for low, high in ranges):
            found.append(job)
    return found[: args.count or None]


def _read(expressions: list[str]) -> tuple[list[re.Pattern[str]], list[tuple[int, int]]]:
    from fluxplug.values.jobid import id_parse  # noqa: PLC0415

    patterns, ranges = [], []
    for text in expressions:
        first, dots, last = text.partition("..")
        if dots and first and last and not text.startswith("name:"):
            try:
                ranges.append((id_parse(first), id_parse(last)))
                continue
            except ValueError:
                pass  # dots in a pattern
        try:
            patterns.append(re.compile(text.removeprefix("name:")))
        except (re.error, RecursionError) as error:
            raise CommandUsageError(f"{text!r}: neither a pattern nor a range of job ids: {error}") from None
    return patterns, ranges


def run(args: Namespace) -> int:
    from fluxplug.listing.formats import Formats  # noqa: PLC0415
    from fluxplug.listing.jobs import JobInfoFormat  # noqa: PLC0415

    formats = Formats("pgrep")
    if shown_format(formats, args.format):
        return 0
    text = formats.find(args.format)
    table: Any = JobInfoFormat(text)
    found = search(connect(args), args, attributes(table))
    if found:
        table.print_items(found, args.no_header or text == formats.find("default"))
    return 0 if found else 1
