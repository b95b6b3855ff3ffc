"""Watch an instance on a live screen: how much of its nodes and cores is in use, how many jobs there are, and which run and wait, and why.

j and k (or the arrows) choose a job, l or enter opens the instance that runs in it, h goes back, q ends it. The screen is drawn anew when something has happened, and every
second for the times; the instance is not asked while nothing happens.
"""

from __future__ import annotations

import os
import re
import sys
import threading
from collections import deque
from typing import TYPE_CHECKING, Any

from fluxplug.cli.live import CommandError, add_color, add_uri, connect, text_of
from fluxplug.errors import FluxplugError

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
_KEY = re.compile(r"\x1b[\[O][ABCD]|.", re.DOTALL)
_MEANINGS = {"\x1b[A": "k", "\x1b[B": "j", "\x1b[C": "l", "\x1b[D": "h", "\r": "l", "\n": "l"}
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
    parser.add_argument(
        "target",
        nargs="?",
        default=".",
        metavar="TARGET",
        help="the instance, as for fluxplug uri: JOBID, JOBID/JOBID, .., /",
    )
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

    @property
    def rows(self) -> list[JobInfo]:
        """The jobs, in the order of the screen."""
        return [*self.lists["running"], *self.lists["pending"]]

    def use(self, unit: str) -> tuple[int, int, int]:
        """How many there are of a unit (nnodes, ncores, ngpus), how many are allocated, how many down."""
        # Queues may share nodes: of several, the one with most says most of the machine.
        biggest = max(self.queues, key=lambda one: int(one["resources"]["all"]["nnodes"]))["resources"]
        return biggest["all"][unit], biggest["allocated"][unit], biggest["down"][unit]


def draw(now: Situation, height: int, path: str = "", chosen: int = -1, note: str = "") -> RenderableType:
    """The screen, in so many lines: of the instance in the jobs of `path`, with the row `chosen` marked and a `note` at its head."""
    from rich.console import Group  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    from fluxplug.clock import SystemClock  # noqa: PLC0415
    from fluxplug.values.duration import fsd  # noqa: PLC0415

    time = SystemClock().now()
    about, jobs = now.about, now.jobs
    up = fsd(max(0.0, time - about["started"]))
    head = Text(f"fluxplug {about['version']}  {about['hostname']}  size {about['size']}  up {up}{path}", style="bold")
    if note:
        head.append(f"  {note}", style="red")
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
    rows = now.rows
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="reverse", expand=True)
    for title, justify, width in (
        ("JOBID", "right", 12), ("USER", "left", 8), ("NAME", "left", 12), ("ST", "right", 2),
        ("NTASKS", "right", 6), ("NNODES", "right", 6), ("TIME", "right", 8),
    ):  # fmt: skip
        table.add_column(title, justify=justify, width=width, no_wrap=True)  # type: ignore[arg-type]
    table.add_column("INFO", no_wrap=True, overflow="ellipsis", ratio=1)
    room = max(1, height - len(parts) - 2)
    first = max(0, chosen - room + 1)
    for number, job in enumerate(rows[first : first + room], first):
        job._now = time  # noqa: SLF001 - times go on while the record stays
        shown = fsd(job.contextual_time) if job.contextual_time else "-"
        table.add_row(
            job.id.f58,
            job.username,
            Text(job.name, style="bold blue" if job.uri else ""),
            job.status_abbrev,
            str(job.ntasks),
            str(job.nnodes),
            shown,
            _info(job),
            style="reverse" if number == chosen else None,
        )
    parts.append(table)
    more = len(rows) - first - room
    if more > 0:
        parts.append(Text(f" ... and {more} more", style="dim"))
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
    if args.target != ".":
        from fluxplug.cli.uri import resolve  # noqa: PLC0415

        client = resolve(client, args.target)
    if args.once:
        console.print(draw(Situation(client, args.queue), 10_000))
        return 0
    if not (sys.stdout.isatty() and sys.stdin.isatty()):
        raise CommandError("this is no terminal; --once prints one screen")
    return _live(View(client, args.queue), console)


class View:
    """One instance on the screen, and which of its jobs is chosen. `path`: the jobs in which it runs, for the head."""

    def __init__(self, client: Client, queue: str | None, path: str = "") -> None:
        self.client, self.path = client, path
        self.note = ""
        self.over = False
        self.changed = True
        self.faults: list[Exception] = []
        self._queue = queue
        self._again = 0
        self._chosen: int | None = None  # a job id, and where it was last
        self._row = -1
        self._situation: Situation | None = None
        self._journal = client.stream("/v1/events", resume=True, since=-1, follow=True)

    def listen(self, wake: threading.Event) -> None:
        """Note that something has happened, until the instance has ended or the view is closed: for a thread."""
        try:
            for _ in self._journal:
                self.changed = True
                wake.set()
        except Exception as error:  # noqa: BLE001 - shown by the thread that draws
            self.faults.append(error)
        self.over = True
        wake.set()

    def close(self) -> None:
        """End `listen`."""
        self._journal.close()

    def draw(self, height: int) -> RenderableType:
        """The screen as of now, or of a moment ago where nothing has happened since."""
        if self._situation is None or self.changed or self._again:
            self._again = _LATE if self.changed or self._situation is None else self._again - 1
            self.changed = False
            self._situation = Situation(self.client, self._queue)
        ids = [int(job.id) for job in self._situation.rows]
        if self._chosen in ids:
            self._row = ids.index(self._chosen)
        self._row = min(self._row, len(ids) - 1)
        self._chosen = ids[self._row] if self._row >= 0 else None
        return draw(self._situation, height, self.path, self._row, self.note)

    def move(self, step: int) -> None:
        """Choose the next job, or the one before."""
        ids = [int(job.id) for job in self._situation.rows] if self._situation is not None else []
        self._row = max(0, min(self._row + step, len(ids) - 1)) if ids else -1
        self._chosen = ids[self._row] if ids else None

    def inside(self) -> View | None:
        """A view of the instance in the chosen job; None, and a note, where there is none."""
        from fluxplug.client import Client  # noqa: PLC0415 - as in `connect`

        job = self._situation.rows[self._row] if self._situation is not None and self._row >= 0 else None
        if job is None:
            self.note = "choose a job with j and k"
            return None
        if not job.uri or job.state != "RUN":
            self.note = f"{job.id.f58} runs no instance"
            return None
        client = Client(str(job.uri))
        try:
            client.get("/v1")
        except FluxplugError as error:
            self.note = text_of(error)
            return None
        return View(client, None, f"{self.path or '  in'} {job.id.f58}")


def _live(first: View, console: Any) -> int:
    from rich.live import Live  # noqa: PLC0415

    wake, pause = threading.Event(), threading.Event()
    keys: deque[str] = deque()
    views: list[View] = []

    def read() -> None:
        while data := os.read(sys.stdin.fileno(), 1024):
            keys.extend(_MEANINGS.get(key, key) for key in _KEY.findall(data.decode(errors="replace")))
            wake.set()
        keys.append("q")
        wake.set()

    def enter(view: View) -> None:
        views.append(view)
        threading.Thread(target=view.listen, args=(wake,), daemon=True).start()

    def press(key: str) -> bool:
        """Do what a key means; False at the end."""
        top = views[-1]
        top.note = ""
        if key in "jk":
            top.move(1 if key == "j" else -1)
        elif key == "l":
            found = top.inside()
            if found is not None:
                enter(found)
        elif key == "h" and len(views) > 1:
            views.pop().close()
        return key not in "qQ"

    with _cbreak(), Live(console=console, screen=True, auto_refresh=False) as screen:
        threading.Thread(target=read, daemon=True).start()
        enter(first)
        while not first.over:
            wake.clear()
            while keys:
                if not press(keys.popleft()):
                    first.over = True
            try:
                if not first.over:
                    screen.update(views[-1].draw(console.height), refresh=True)
            except FluxplugError:
                if len(views) == 1:
                    raise
                views[-1].over = True
            if views[-1].over and len(views) > 1:  # the instance has ended
                views.pop().close()
                continue
            if not keys:
                wake.wait(_TICK)
                if not keys and views[-1].changed:
                    pause.wait(_REST)
    for view in views:
        view.close()
    if first.faults:
        raise first.faults[0]
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
