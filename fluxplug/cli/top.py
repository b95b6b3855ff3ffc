"""Watch an instance on a live screen: how much of its nodes and cores is in use, how many jobs there are, and which run and wait, and why.

`q` ends it. The screen is drawn anew when something has happened, and every second for the times; the instance is not asked while nothing happens.
"""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, Any

from fluxplug.cli.live import CommandError, add_color, add_uri, connect

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from rich.console import RenderableType

    from fluxplug.client import Client
    from fluxplug.job.info import JobInfo

# At most so many jobs of each kind are asked for.
_MOST = 200
_TICK = 1.0  # seconds between two drawings where nothing happens
_LATE = 2  # drawings after the last event for which the instance is asked again: estimates come a little later
_REST = 0.25  # seconds between two questions however much happens
_BAR = 40
_ATTRS = (
    "id",
    "name",
    "userid",
    "state",
    "ntasks",
    "nnodes",
    "duration",
    "nodelist",
    "ranks",
    "t_run",
    "t_cleanup",
    "urgency",
    "priority",
    "queue",
)


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("-q", "--queue", metavar="NAME", help="the jobs of this queue alone")
    parser.add_argument("--once", action="store_true", help="print one screen and end")
    add_color(parser)
    add_uri(parser)


class Situation:
    """What the screen shows, as of one moment. Made by asking the instance four times."""

    def __init__(self, client: Client, queue: str | None) -> None:
        from fluxplug.job.info import JobInfo  # noqa: PLC0415

        self.about = client.get("/v1")
        self.jobs: dict[str, int] = client.get("/v1/stats")["jobs"]
        self.queues: list[dict[str, Any]] = client.get("/v1/queues")["queues"]
        if queue is not None:
            self.queues = [one for one in self.queues if one["name"] == queue]
            if not self.queues:
                raise CommandError(f"'{queue}' is not a valid queue")
        attrs = [*_ATTRS, "annotations", "dependencies", "expiration"]
        self.lists: dict[str, list[JobInfo]] = {}
        for state in ("running", "pending"):
            terms: list[dict[str, Any]] = [{"states": [state]}]
            if queue is not None:
                terms.append({"queue": [queue]})
            body = {"max_entries": _MOST, "attrs": attrs, "constraint": {"and": terms}}
            found = client.post("/v1/jobs/list", body, again=True)["jobs"]
            self.lists[state] = [JobInfo(record) for record in found]

    def use(self, unit: str) -> tuple[int, int, int]:
        """How many there are of a unit (nnodes, ncores, ngpus), how many are allocated, how many down."""
        # Queues may share nodes: of several, the one with most says most of the machine.
        biggest = max(self.queues, key=lambda one: int(one["resources"]["all"]["nnodes"]))["resources"]
        return biggest["all"][unit], biggest["allocated"][unit], biggest["down"][unit]


def draw(now: Situation, height: int) -> RenderableType:
    """The screen, in so many lines."""
    from rich.console import Group  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    from fluxplug.clock import SystemClock  # noqa: PLC0415
    from fluxplug.values.duration import fsd  # noqa: PLC0415

    time = SystemClock().now()
    about, jobs = now.about, now.jobs
    up = fsd(max(0.0, time - about["started"]))
    head = Text(f"fluxplug {about['version']}  {about['hostname']}  size {about['size']}  up {up}", style="bold")
    parts: list[RenderableType] = [head]
    for unit, name in (("nnodes", "nodes"), ("ncores", "cores"), ("ngpus", "gpus")):
        total, used, down = now.use(unit)
        if total or unit != "ngpus":
            parts.append(_bar(name, total, used, down))
    failed = jobs["failed"] + jobs["canceled"] + jobs["timeout"]
    pending = jobs["depend"] + jobs["priority"] + jobs["sched"]
    counts = (
        f"{pending} pending, {jobs['run'] + jobs['cleanup']} running, {jobs['successful']} completed, {failed} failed"
    )
    parts.append(Text(f" jobs: {counts}"))
    rows = [*now.lists["running"], *now.lists["pending"]]
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="reverse", expand=True)
    for title, justify, width in (
        ("JOBID", "right", 12), ("USER", "left", 8), ("NAME", "left", 12), ("ST", "right", 2),
        ("NTASKS", "right", 6), ("NNODES", "right", 6), ("TIME", "right", 8),
    ):  # fmt: skip
        table.add_column(title, justify=justify, width=width, no_wrap=True)  # type: ignore[arg-type]
    table.add_column("INFO", no_wrap=True, overflow="ellipsis", ratio=1)
    room = max(1, height - len(parts) - 2)
    for job in rows[:room]:
        job._now = time  # noqa: SLF001 - times go on while the record stays
        shown = fsd(job.contextual_time) if job.contextual_time else "-"
        table.add_row(
            job.id.f58, job.username, job.name, job.status_abbrev, str(job.ntasks), str(job.nnodes), shown, _info(job)
        )
    parts.append(table)
    if len(rows) > room:
        parts.append(Text(f" ... and {len(rows) - room} more", style="dim"))
    return Group(*parts)


def _info(job: JobInfo) -> str:
    """Where a job runs, or when and why it will."""
    reason = str(job.sched.reason_pending or "") if job.state == "SCHED" else ""
    return "  ".join(filter(None, [job.contextual_info, reason]))


def _bar(name: str, total: int, used: int, down: int) -> Any:
    from rich.text import Text  # noqa: PLC0415

    full = round(_BAR * used / total) if total else 0
    dead = round(_BAR * down / total) if total else 0
    text = Text(f" {name:>5} [")
    text.append("|" * full, style="green")
    text.append("x" * min(dead, _BAR - full), style="red")
    text.append(" " * max(0, _BAR - full - dead) + f"] {used}/{total}")
    if down:
        text.append(f" ({down} down)", style="red")
    return text


def run(args: Namespace) -> int:
    from rich.console import Console  # noqa: PLC0415 - 60 ms that other commands do not pay

    color = {"always": True, "never": False}.get(args.color)
    console = Console(
        force_terminal=color if args.color == "always" else None, no_color=color is False or None, highlight=False
    )
    client = connect(args)
    if args.once:
        console.print(draw(Situation(client, args.queue), 10_000))
        return 0
    if not (sys.stdout.isatty() and sys.stdin.isatty()):
        raise CommandError("this is no terminal; --once prints one screen")
    return _live(client, console, args.queue)


def _live(client: Client, console: Any, queue: str | None) -> int:
    from rich.live import Live  # noqa: PLC0415

    changed, over = threading.Event(), threading.Event()
    journal = client.stream("/v1/events", resume=True, since=-1, follow=True)
    faults: list[Exception] = []

    def listen() -> None:
        try:
            for _ in journal:
                changed.set()
        except Exception as error:  # noqa: BLE001 - shown by the thread that draws
            faults.append(error)
        over.set()
        changed.set()

    def read() -> None:
        while not over.is_set():
            if sys.stdin.read(1) in {"q", "Q", ""}:
                over.set()
                changed.set()

    with _cbreak(), Live(console=console, screen=True, auto_refresh=False) as screen:
        for target in (listen, read):
            threading.Thread(target=target, daemon=True).start()
        situation = None
        pause = threading.Event()
        again = 0
        while not over.is_set():
            if situation is None or changed.is_set():
                changed.clear()
                situation = Situation(client, queue)
                again = _LATE
                pause.wait(_REST)
            elif again:
                situation = Situation(client, queue)
                again -= 1
            screen.update(draw(situation, console.height), refresh=True)
            changed.wait(_TICK)
    journal.close()
    if faults:
        raise faults[0]
    return 0


class _cbreak:  # noqa: N801 - used like a function
    """Keys arrive one by one and are not shown, until the end of the block."""

    def __enter__(self) -> None:
        import termios  # noqa: PLC0415
        import tty  # noqa: PLC0415

        self._old = termios.tcgetattr(sys.stdin)
        tty.setcbreak(sys.stdin)

    def __exit__(self, *_: object) -> None:
        import termios  # noqa: PLC0415

        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, self._old)
