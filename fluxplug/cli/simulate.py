"""Simulate a workload log under one or more queue policies, and compare them.

The log's jobs are submitted at their times to the scheduler that the configuration describes, in virtual time. Prints a table of
metrics; writes the schedule, the metrics and a report where asked to.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from fluxplug.cli import simulation

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable

    from fluxplug.config import Config
    from fluxplug.sim.schedule import Schedule

COLUMNS = ("limit", "outcome", "queue", "ranks", "reason")
REASONS_SHOWN = 10


def add_arguments(parser: ArgumentParser) -> None:
    simulation.add_arguments(parser)
    parser.add_argument(
        "--policy",
        action="append",
        default=[],
        metavar="NAME",
        help="run every queue under this policy; may be repeated, to compare (default: as configured)",
    )
    output = parser.add_argument_group("output")
    output.add_argument(
        "--schedule",
        metavar="FILE",
        help="write a row a job, job,submit,start,end,width, as CSV; with several policies the name needs {policy}",
    )
    output.add_argument(
        "--columns", default="", metavar="NAME,...", help=f"more columns for --schedule: {', '.join(COLUMNS)}"
    )
    output.add_argument("--json", action="store_true", help="print the metrics as JSON")
    output.add_argument(
        "--report",
        action="append",
        default=[],
        metavar="FILE",
        help="write a report: .html, .svg, or a folder/ with an SVG a figure; may be repeated",
    )
    output.add_argument("--title", default="", metavar="TEXT", help="the report's title (default: the log's name)")
    output.add_argument("--no-progress", action="store_true", help="no progress bar on a terminal")


def run(args: Namespace) -> int:
    """Run the command. Raises FluxplugError."""
    from pathlib import Path  # noqa: PLC0415

    from fluxplug.errors import ConfigError  # noqa: PLC0415
    from fluxplug.sim.metrics import metrics, table  # noqa: PLC0415

    columns = tuple(name for name in args.columns.split(",") if name)
    unknown = [name for name in columns if name not in COLUMNS]
    if unknown:
        raise ConfigError(f"--columns {unknown[0]}: not a column; there are: {', '.join(COLUMNS)}")
    policies = list(dict.fromkeys(args.policy))
    if args.schedule and len(policies) > 1 and "{policy}" not in args.schedule:
        raise ConfigError("--schedule: with several policies the name needs {policy}, like out.{policy}.csv")
    setup = simulation.Setup(args)
    reports = [(Path(path), _report_for(path, setup)) for path in args.report]
    for name in [*args.report, *([args.schedule] if args.schedule else [])]:
        if not Path(name).parent.is_dir():
            raise ConfigError(f"{name}: there is no folder {Path(name).parent} to write it to")
    configs: list[Config] = [setup.config.with_policy(name) for name in policies] or [setup.config]
    for config in configs:  # an unknown policy is told before the first simulation, not after it
        for queue in config.all_queues:
            setup.plugins.policies[queue.queue_policy]
    keep_ranks = "ranks" in columns or bool(reports)
    schedules: list[Schedule] = []
    for config in configs:
        simulator, trace = setup.simulator(config, keep_ranks=keep_ranks)
        with _progress(simulator.schedule.policy, wanted=not args.no_progress) as advance:
            schedule = simulator.run(progress=advance)
        for name, count in trace.notes.items():
            schedule.notes[name] = schedule.notes.get(name, 0) + count
        schedules.append(schedule)
    figures = {schedule.policy: metrics(schedule) for schedule in schedules}
    for schedule in schedules:
        if args.schedule:
            _write_csv(Path(args.schedule.replace("{policy}", schedule.policy)), schedule, columns)
    details = _details(setup, schedules[0])
    for path, report in reports:
        report.write(path, schedules, args.title or Path(setup.log).name, details)
    if args.json:
        print(json.dumps({"log": Path(setup.log).name, "policies": figures}, indent=2))
    else:
        print(f"{Path(setup.log).name}: {len(schedules[0])} jobs on {details['machine']}")
        print(table(figures))
        _print_notes(setup, schedules)
        for path, _ in reports:
            print(f"report: {path}")
    return 0


def _report_for(path: str, setup: simulation.Setup) -> Any:
    from fluxplug.errors import ConfigError  # noqa: PLC0415

    kinds = setup.plugins.reports.classes()
    for name in sorted(kinds):
        if path.lower().endswith(tuple(kinds[name].extensions)):
            return kinds[name]()
    known = ", ".join(end for name in sorted(kinds) for end in kinds[name].extensions)
    raise ConfigError(f"--report {path}: no report has this file ending; there are: {known}")


def _details(setup: simulation.Setup, schedule: Schedule) -> dict[str, str]:
    each = schedule.cores // schedule.nodes if schedule.nodes else 0
    even = each * schedule.nodes == schedule.cores
    nodes = "1 node" if schedule.nodes == 1 else f"{schedule.nodes} nodes"
    cores = ("1 core" if each == 1 else f"{each} cores") if even else f"{schedule.cores} cores in all"
    machine = f"{nodes} of {cores}" if even else f"{nodes}, {cores}"
    return {"machine": machine, "pool": setup.config.sched.pool, "jobs": str(len(schedule))}


def _print_notes(setup: simulation.Setup, schedules: list[Schedule]) -> None:
    told = {
        name: count
        for name, count in schedules[0].notes.items()
        if count and name != "jobs" and not name.startswith("refused: ")
    }
    if told:
        print("notes: " + ", ".join(f"{name} {count}" for name, count in told.items()))
    _print_refusals(schedules[0].refusals)
    for problem in setup.skipped:
        print(f"skipped: {problem}", file=sys.stderr)


def _print_refusals(refusals: dict[int, str]) -> None:
    """Why jobs were refused as they came in, which does not depend on the queue policy: a line a reason, with the first jobs."""
    reasons: dict[str, list[int]] = {}
    for job, reason in refusals.items():
        reasons.setdefault(reason, []).append(job)
    for reason, jobs in list(reasons.items())[:REASONS_SHOWN]:
        named = ", ".join(map(str, jobs[:5])) + (", ..." if len(jobs) > 5 else "")
        print(f"refused: {len(jobs)} job{'s' if len(jobs) > 1 else ''} ({named}): {reason}")
    if len(reasons) > REASONS_SHOWN:
        print(f"refused: and for {len(reasons) - REASONS_SHOWN} more reasons; --columns reason has that of each job")


def _write_csv(path: Any, schedule: Schedule, columns: tuple[str, ...]) -> None:
    from io import StringIO  # noqa: PLC0415

    from fluxplug.report.base import write_text  # noqa: PLC0415

    text = StringIO()
    schedule.write_csv(text, columns)
    write_text(path, text.getvalue())


class _progress:  # noqa: N801 - used as a function
    """A progress bar of jobs on standard error, where that is a terminal; elsewhere nothing."""

    def __init__(self, title: str, *, wanted: bool) -> None:
        self._bar: Any = None
        if wanted and sys.stderr.isatty():
            from rich.console import Console  # noqa: PLC0415
            from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn  # noqa: PLC0415

            self._bar = Progress(
                SpinnerColumn(),
                TextColumn("{task.description}"),
                TextColumn("{task.completed} jobs"),
                TextColumn("{task.fields[rate]}"),
                TimeElapsedColumn(),
                console=Console(stderr=True),
                transient=True,
            )
            self._task = self._bar.add_task(title, total=None, rate="")

    def __enter__(self) -> Callable[[int], None] | None:
        if self._bar is None:
            return None
        self._bar.start()
        return self._advance

    def _advance(self, jobs: int) -> None:
        self._bar.update(self._task, advance=jobs, rate=f"{self._bar.tasks[0].speed or 0:,.0f} jobs/s")

    def __exit__(self, *args: object) -> None:
        if self._bar is not None:
            self._bar.stop()
