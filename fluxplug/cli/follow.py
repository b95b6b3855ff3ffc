"""Following jobs: how each ended, and what they write, over one journal for all of them. Nothing polls.

`submit --wait`, `watch`, `job status`, `pkill --wait` and `alloc --bg` wait with this; `attach` follows one job's own logs.
"""

from __future__ import annotations

import errno
import sys
import threading
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from fluxplug.cli.live import warn
from fluxplug.client.client import PATIENCE, Pauses
from fluxplug.clock import stopwatch
from fluxplug.errors import ApiError, ConnectionFailedError, FluxplugError, UnknownOutcomeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from fluxplug.client import Client

# As many jobs can be watched at once; the output of the next is shown when one of them has ended.
MAX_WATCHED = 256
_STACK = 256 * 1024
# What an instance says that ends, or that has just begun.
_LATER = (errno.EAGAIN, errno.ESHUTDOWN)
_REDRAW = 0.05  # seconds between two states of a progress bar
INACTIVE = 64
COMPLETED, FAILED, CANCELED, TIMEOUT = 1, 2, 4, 8


def exit_code(status: int) -> int:
    """The exit code for a wait status, as a shell has it."""
    return 128 + (status & 0x7F) if status & 0x7F else status >> 8


def failure_text(status: int) -> str:
    """How tasks failed, for a wait status other than 0."""
    code = exit_code(status)
    if code > 128:
        import signal  # noqa: PLC0415 - few jobs are killed

        try:
            return f"task(s) {signal.strsignal(code - 128) or f'signal {code - 128}'}"
        except ValueError:
            pass
    return f"task(s) exited with exit code {code}"


class Outcome:
    """What the events of one job have said of its end. `feed` takes them in order."""

    __slots__ = ("exception", "over", "started", "status", "t_submit")

    def __init__(self) -> None:
        self.status: int | None = None
        self.exception: dict[str, Any] | None = None
        self.started = False
        self.over = False
        self.t_submit = 0.0

    def feed(self, event: Mapping[str, Any]) -> None:
        """Take in one event of the job's log."""
        name = event["name"]
        if name == "finish":
            self.status = event["context"]["status"]
        elif name == "exception" and event["context"].get("severity") == 0 and self.exception is None:
            self.exception = event["context"]
        elif name == "alloc":
            self.started = True
        elif name == "submit":
            self.t_submit = event["timestamp"]
        elif name == "clean":
            self.over = True

    def take(self, record: Mapping[str, Any]) -> None:
        """Take in the record of a job instead, which may have ended already."""
        self.started = "t_run" in record
        self.t_submit = record.get("t_submit", 0.0)
        self.status = record.get("waitstatus")
        if record.get("exception_occurred"):
            parts = ("type", "severity", "note")
            self.exception = {part: record.get(f"exception_{part}", "") for part in parts}
        self.over = record["state"] == INACTIVE

    def code(self, without: int = 1) -> int:
        """The exit code; `without` where the job ended by an exception before any task had a status."""
        if self.status is not None:
            return exit_code(self.status)
        return without if self.exception is not None else 0

    @property
    def failed(self) -> bool:
        """Whether the job ended otherwise than well."""
        return self.exception is not None or bool(self.status)


class Sink:
    """Where text goes, byte for byte: standard output, standard error, or a file. Threads may share it."""

    def __init__(self, stream: IO[str] | None = None, path: str | None = None) -> None:
        self._lock = threading.Lock()
        self._file: IO[bytes] | None = open(path, "wb", buffering=0) if path else None  # noqa: PTH123, SIM115
        self._stream = stream

    def close(self) -> None:
        """Close the file, if it is one."""
        if self._file is not None:
            self._file.close()

    def write(self, text: str) -> None:
        """Write a text, and pass it on at once."""
        data = text.encode("utf-8", "surrogateescape")
        with self._lock:
            if self._file is not None:
                self._file.write(data)
                return
            stream = self._stream or sys.stdout
            binary = getattr(stream, "buffer", None)
            if binary is None:
                stream.write(text)
            else:
                stream.flush()
                binary.write(data)
            stream.flush()


class Followed(NamedTuple):
    """A job that is followed: its id as it is shown, where its output goes, and the prefix of its labelled lines."""

    shown: str
    out: Sink
    err: Sink


class Follower:
    """Follows jobs to their ends, or to an event.

    Made before jobs are submitted, it misses nothing: the journal is open when it returns. `labels` begins lines with job and task, `event`
    is the event that is waited for (`exec.NAME`: one of the execution log) beside the end. `on_change` is called with the id of each job that is
    added, and after each of its events.
    """

    def __init__(
        self,
        client: Client,
        *,
        watch: bool = False,
        labels: bool = False,
        event: str = "clean",
    ) -> None:
        self.client = client
        self.outcomes: dict[int, Outcome] = {}
        self._jobs: dict[int, Followed] = {}
        self._left: set[int] = set()
        self._watch, self._labels, self._event = watch, labels, event
        self.on_change: Callable[[int], None] | None = None
        self._threads: list[threading.Thread] = []
        self._fault: BaseException | None = None
        self._places = threading.BoundedSemaphore(MAX_WATCHED)
        self._ids: dict[str, int] = {}
        self._journal = client.stream("/v1/events", resume=True, since=-1, follow=True)
        for line in self._journal:
            if "sentinel" in line:
                break

    def add(self, jobid: int, job: Followed) -> None:
        """Follow a job too."""
        self._jobs[jobid] = job
        self.outcomes[jobid] = Outcome()
        self._left.add(jobid)
        if self.on_change is not None:
            self.on_change(jobid)

    def followed(self) -> list[Followed]:
        """The jobs, in the order in which they were added."""
        return list(self._jobs.values())

    def look(self, records: Iterable[Mapping[str, Any]]) -> None:
        """Take in records of jobs that are older than the journal: some may be over."""
        from fluxplug.values.jobid import id_parse  # noqa: PLC0415

        for record in records:
            found = id_parse(record["id"])
            outcome = self.outcomes[found]
            outcome.take(record)
            if outcome.started:
                self._begin(found)
            if outcome.over:
                self._done(found)
            if self.on_change is not None:
                self.on_change(found)

    def run(self) -> None:
        """Return when every job is over, or has had the event. Raises ConnectionFailedError, and BrokenPipeError where nobody reads the output."""
        from fluxplug.values.jobid import id_parse  # noqa: PLC0415

        while self._left:
            for line in self._journal:
                if "event" not in line:
                    continue
                found = self._ids.get(line["id"])
                if found is None:
                    found = self._ids[line["id"]] = id_parse(line["id"])
                if found in self._left:
                    self._take(found, line["event"])
                    if not self._left:
                        break
            else:
                break  # the instance has ended
        self._journal.close()
        for thread in self._threads:
            thread.join()
        if self._fault is not None:
            raise self._fault
        for jobid in self._left:
            warn("wait", f"{self._jobs[jobid].shown}: the instance ended before the job")

    @property
    def lost(self) -> bool:
        """Whether the instance ended before some of the jobs."""
        return bool(self._left)

    def _take(self, jobid: int, event: Mapping[str, Any]) -> None:
        outcome, name = self.outcomes[jobid], event["name"]
        outcome.feed(event)
        if name == "alloc":
            self._begin(jobid)
        if name == "exception" and self._watch:
            from fluxplug.listing.output_log import render_exception  # noqa: PLC0415

            job = self._jobs[jobid]
            job.err.write(f"{job.shown}: {render_exception(event['context'])}\n")
        if outcome.over or name == self._event:
            self._done(jobid)
        if self.on_change is not None:
            self.on_change(jobid)

    def _done(self, jobid: int) -> None:
        self._left.discard(jobid)

    def _begin(self, jobid: int) -> None:
        """The job has resources: its logs begin."""
        if self._watch:
            self._thread(self._print, jobid)
        if self._event.startswith("exec."):
            self._thread(self._wait_exec, jobid)

    def _thread(self, target: Callable[[int], None], jobid: int) -> None:
        def work() -> None:
            try:
                target(jobid)
            except (FluxplugError, OSError) as fault:  # `run` raises it
                self._fault = fault
                self._journal.close()

        old = threading.stack_size(_STACK)
        try:
            thread = threading.Thread(target=work, daemon=True)
            thread.start()
        finally:
            threading.stack_size(old)
        self._threads = [one for one in self._threads if one.is_alive()]
        self._threads.append(thread)

    def _print(self, jobid: int) -> None:
        job = self._jobs[jobid]
        with self._places:
            print_output(
                self.client,
                jobid,
                job.out,
                job.err,
                labels=self._labels,
                prefix=f"{job.shown}: " if self._labels else "",
            )

    def _wait_exec(self, jobid: int) -> None:
        name = self._event[len("exec.") :]
        for event in self.client.stream(f"/v1/jobs/{jobid}/guest.exec.eventlog", resume=True, follow=True):
            if event["name"] == name:
                break
        self._done(jobid)
        if not self._left:
            self._journal.close()


def hand_on(client: Client, path: str, body: dict[str, Any]) -> bool:
    """Give a job input; a server that is being restarted is waited for. Whether it was.

    Raises UnknownOutcomeError where the job may have it already: it is not sent twice. Raises FluxplugError where it takes none.
    """
    pauses = Pauses(stopwatch() + PATIENCE)
    waited = False
    while True:
        try:
            client.post(path, body)
        except UnknownOutcomeError:
            raise
        except (ConnectionFailedError, ApiError) as error:
            if not (isinstance(error, ConnectionFailedError) or error.errno in _LATER) or not pauses.take():
                raise
            waited = True
        else:
            return waited


def print_output(
    client: Client,
    jobid: int,
    out: Sink,
    err: Sink,
    *,
    labels: bool = False,
    tasks: str = "*",
    prefix: str = "",
    since: int = 0,
    before: Callable[[], None] | None = None,
) -> None:
    """Write the output of a job as it comes, until it is complete. `before` is called before each piece, `prefix` begins each line."""
    from fluxplug.listing.output_log import OutputRenderer  # noqa: PLC0415 - most commands show none

    renderer = OutputRenderer(labels, tasks)
    fresh = {"stdout": True, "stderr": True}
    for event in client.stream(f"/v1/jobs/{jobid}/guest.output", resume=True, follow=True, since=since):
        for stream, text in renderer.feed(event):
            if stream == "log":
                continue
            if before is not None:
                before()
            if prefix:
                text = _prefixed(text, prefix, fresh, stream)
            (out if stream == "stdout" else err).write(text)


def _prefixed(text: str, prefix: str, fresh: dict[str, bool], stream: str) -> str:
    """The text with a prefix at the beginning of each line; `fresh` keeps which stream is at the beginning of one."""
    begin = prefix if fresh[stream] else ""
    fresh[stream] = text.endswith("\n")
    body = text[:-1] if fresh[stream] else text
    return begin + body.replace("\n", f"\n{prefix}") + ("\n" if fresh[stream] else "")


class Progress:
    """A bar on standard error: jobs pending, running, ended well and badly; with `rate` jobs a second. Only the last state where that is no terminal."""

    _WIDTH = 30

    def __init__(self, follower: Follower, *, rate: bool) -> None:
        from fluxplug.clock import stopwatch  # noqa: PLC0415

        self._follower, self._rate, self._watch = follower, rate, stopwatch
        self._begin = self._last = stopwatch()
        self._states: dict[int, str] = {}
        self._counts = {"PD": 0, "R": 0, "CD": 0, "F": 0}
        self._terminal = sys.stderr.isatty()
        follower.on_change = self._change

    def _change(self, jobid: int) -> None:
        """Take in that a job was added or had an event."""
        outcome = self._follower.outcomes[jobid]
        new = ("F" if outcome.failed else "CD") if outcome.over else "R" if outcome.started else "PD"
        old = self._states.get(jobid)
        if new == old:
            return
        if old is not None:
            self._counts[old] -= 1
        self._counts[new] += 1
        self._states[jobid] = new
        now = self._watch()
        if self._terminal and now - self._last > _REDRAW:
            self._last = now
            print("\r" + self._line(), end="", file=sys.stderr, flush=True)

    def _line(self) -> str:
        counts = self._counts
        done, total = counts["CD"] + counts["F"], sum(counts.values())
        share = done / total if total else 1.0
        full = int(share * self._WIDTH)
        bar = "#" * full + "-" * (self._WIDTH - full)
        text = " ".join(f"{key}:{value}" for key, value in counts.items()) + f" [{bar}] {share:6.1%}"
        seconds = max(self._watch() - self._begin, 1e-9)
        return text + (f" {done / seconds:.1f} job/s" if self._rate else f" {seconds:.1f}s")

    def end(self) -> None:
        """Draw the last state."""
        print(("\r" if self._terminal else "") + self._line(), file=sys.stderr, flush=True)
