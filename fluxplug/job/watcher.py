"""JobWatcher: waits for many jobs at once, and shows their output, events and progress meanwhile.

One stream, the journal of the instance, tells of all jobs; each job that runs has a stream of its own for what it writes, if that is wanted.
Nothing polls. Jobs that were over before they were added are found by one listing a thousand.
"""

from __future__ import annotations

import errno
import sys
import threading
from collections import deque
from typing import TYPE_CHECKING, Any, TextIO

from fluxplug.clock import SystemClock
from fluxplug.constants import FLUX_JOB_STATE_INACTIVE
from fluxplug.errors import ApiError, ConnectionFailedError
from fluxplug.job.event import is_fatal, watch_log
from fluxplug.job.info import JobInfo
from fluxplug.job.progress import Progress
from fluxplug.job.waiting import plain
from fluxplug.listing.output_log import OutputRenderer
from fluxplug.values.jobid import JobID

if TYPE_CHECKING:
    from collections.abc import Callable

    from fluxplug.client.client import Stream
    from fluxplug.handle import Flux

_LISTED = 1000  # jobs a request
_READERS = 128  # jobs whose output is followed at the same time


class _Job:
    """A job that is watched: what is known of it, and what is left to wait for."""

    __slots__ = (
        "code",
        "followed",
        "fresh",
        "jobid",
        "meanwhile",
        "reads",
        "seen",
        "settled",
        "started",
        "stderr",
        "stdout",
        "submitted",
        "wait",
        "waits",
    )

    def __init__(self, jobid: JobID, wait: str, stdout: TextIO, stderr: TextIO) -> None:
        self.jobid = jobid
        self.wait = wait
        self.stdout = stdout
        self.stderr = stderr
        self.fresh = True  # what happened before it was added is not known yet
        self.meanwhile: list[dict[str, Any]] = []  # what the journal has told while that was so
        self.waits = True  # for its event, or its end
        self.settled = False
        self.reads = False  # its output is being shown
        self.followed = False  # its output is, or was
        self.started = False
        self.code: int | None = None
        self.submitted: float | None = None
        self.seen: list[Any] = []  # events that the journal may tell of once more


class JobWatcher:
    """Waits for jobs: each for the event `wait` of its eventlog, or `exec.NAME` of its exec eventlog, at the latest until it is over.

    `jobs` are JobInfos or ids. With `watch` what they write is shown too, on `stdout` and `stderr`, and waited for; `labelio` puts `ID: RANK: `
    before each line; `output_callback(jobid, stream, text)` gets the output instead. Both get whole lines. Exceptions are shown on `stderr`;
    with `log_events` all events, with `log_status` how each job ended. `progress` draws a bar on a terminal, with `jps` the jobs a second
    since `starttime`.

    `start` and then `wait`, or `Flux.reactor_run`; `exitcode` is then the largest exit code of the jobs. Jobs may be added before and after.
    """

    def __init__(  # noqa: PLR0917 - Flux's signature
        self,
        flux_handle: Flux,
        jobs: Any = None,
        progress: bool = False,
        jps: bool = False,
        wait: str = "clean",
        watch: bool = True,
        log_events: bool = False,
        log_status: bool = False,
        stdout: TextIO | None = None,
        stderr: TextIO | None = None,
        labelio: bool = False,
        starttime: float | None = None,
        output_callback: Callable[[JobID, str, str], Any] | None = None,
    ) -> None:
        self.handle = flux_handle
        self._wait = wait
        self._watch = watch
        self._log_events = log_events
        self._log_status = log_status
        self._stdout = sys.stdout if stdout is None else stdout
        self._stderr = sys.stderr if stderr is None else stderr
        self._label = labelio
        self._output = output_callback
        self._jobs: dict[int, _Job] = {}
        self._new: list[_Job] = []
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._stream: Stream | None = None
        self._live = False
        self._stopped = False
        self._left = 0
        self._unread: deque[_Job] = deque()
        self._readers = 0
        self._error: BaseException | None = None
        began = SystemClock().now() if starttime is None else starttime
        self._progress = Progress(self._stdout, began, jps=jps) if progress else None
        if jobs:
            self.add_jobs(*jobs)

    @property
    def exitcode(self) -> int:
        """The largest exit code of the jobs that are over; 0 where none is."""
        with self._lock:
            return max((job.code or 0 for job in self._jobs.values()), default=0)

    def add_jobs(
        self,
        *jobs: JobInfo | int | str,
        stdout: TextIO | None = None,
        stderr: TextIO | None = None,
        wait: str | None = None,
    ) -> None:
        """Watch jobs too, given as JobInfos or ids; the rest as for the constructor. One that is watched already is watched once."""
        with self._changed:
            for one in jobs:
                jobid = JobID(one["id"] if isinstance(one, dict) else one)
                if jobid not in self._jobs:
                    job = _Job(jobid, wait or self._wait, stdout or self._stdout, stderr or self._stderr)
                    self._jobs[jobid] = job
                    self._new.append(job)
                    self._left += 1
                    self.handle.hold()
                    if self._progress is not None:
                        self._progress.add(jobid)
            self._changed.notify_all()

    def add_jobid(
        self, jobid: int | str, stdout: TextIO | None = None, stderr: TextIO | None = None, wait: str = "clean"
    ) -> None:
        """Watch a job too."""
        self.add_jobs(jobid, stdout=stdout, stderr=stderr, wait=wait)

    def start(self) -> JobWatcher:
        """Begin to watch, and return the watcher. Once."""
        if self._stream is None:
            self._stream = self.handle.client.stream("/v1/events", since=-1, follow=True, resume=True)
            for target in (self._follow, self._catch_up):
                threading.Thread(target=self._guard, args=(target,), name="fluxplug-watcher", daemon=True).start()
        return self

    def wait(self, timeout: float | None = None) -> int:
        """Wait until all jobs that were added have been waited for, and return the largest exit code. Not in Flux.

        Raises TimeoutError after `timeout` seconds, OSError where the instance cannot be asked any more, FileNotFoundError for a job that is
        unknown, and what writing the output raises.
        """
        self.start()
        with self._changed:
            if not self._changed.wait_for(lambda: not self._left or self._error or self._stopped, timeout):
                raise TimeoutError(f"{self._left} jobs are not over after {timeout:g} s")
            if self._error is not None:
                raise self._error
        self.stop()
        return self.exitcode

    def stop(self) -> None:
        """Watch no more. Jobs go on."""
        with self._changed:
            if self._stopped:
                return
            self._stopped = True
            left, self._left = self._left, 0
            self._changed.notify_all()
        for _ in range(left):
            self.handle.release()
        if self._stream is not None:
            self._stream.close()
        if self._progress is not None:
            self._progress.finish()

    # What threads do.

    def _guard(self, target: Callable[[], None]) -> None:
        try:
            target()
        except BaseException as error:  # noqa: BLE001 - raised by wait, and by reactor_run
            with self._changed:
                if self._stopped:
                    return
                self._error = self._error or error
                self._changed.notify_all()
            self.handle.post(self._fail)

    def _fail(self) -> None:
        error, self._error = self._error, None
        self.stop()
        if error is not None:
            raise error

    def _follow(self) -> None:
        """The journal: what happens to jobs from now on."""
        assert self._stream is not None
        for line in self._stream:
            if line.get("sentinel"):
                with self._changed:
                    self._live = True
                    self._changed.notify_all()
                continue
            job = self._jobs.get(JobID(line["id"]))
            if job is not None:
                with self._lock:
                    if job.fresh:
                        job.meanwhile.append(line["event"])
                    else:
                        self._event(job, line["event"])
        if not self._stopped:
            raise ConnectionFailedError(errno.ECONNRESET, f"{self.handle.client.uri}: the instance has ended")

    def _catch_up(self) -> None:
        """What had happened to jobs before they were added, once the journal is live: nothing falls between the two."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._stopped or (self._live and self._new))
                if self._stopped:
                    return
                jobs, self._new = self._new[:_LISTED], self._new[_LISTED:]
            body = {"max_entries": 0, "attrs": ["all"], "ids": [job.jobid.dec for job in jobs]}
            records = self.handle.client.post("/v1/jobs/list", body, again=True, resume=True)["jobs"]
            known = {JobID(record["id"]): JobInfo(plain(record)) for record in records}
            for job in jobs:
                info = known.get(job.jobid)
                if info is None:
                    raise ApiError(errno.ENOENT, f"unknown job id {job.jobid}")
                self._found(job, info)

    def _found(self, job: _Job, info: JobInfo) -> None:
        over = info.state_id == FLUX_JOB_STATE_INACTIVE
        with self._lock:
            job.submitted = info.t_submit or None
        if self._log_events or info.exception.occurred or not (over or job.wait == "clean"):
            for entry in list(watch_log(self.handle, job.jobid, "eventlog", follow=False, resume=True)):
                with self._lock:
                    self._event(job, entry, past=True)
        with self._lock:
            for event in job.meanwhile:
                self._event(job, event)
            job.meanwhile = []
            job.started = job.started or bool(info.t_run)
            if self._watch and job.started:
                self._read(job)
            if over:
                self._over(job, _code(info))
            elif job.wait.startswith("exec.") and job.waits:
                threading.Thread(target=self._guard, args=(lambda: self._exec(job),), daemon=True).start()
            if self._progress is not None:
                self._progress.state(job.jobid, info.state_id, job.code)
            job.fresh = False
            self._settle(job)

    def _event(self, job: _Job, event: dict[str, Any], *, past: bool = False) -> None:
        """An event of a job, from the journal or from its log, where `past`: what both tell of counts once."""
        if job.settled or event in job.seen:
            return
        job.seen.append(event)
        name, context = event["name"], event.get("context") or {}
        if job.submitted is None:
            job.submitted = event["timestamp"]
        if self._log_events:
            self._say(job, event, f"job.{name} {_compact(context)}".rstrip())
        elif name == "exception":
            note = context.get("note", "")
            self._say(
                job, event, f"job.exception type={context['type']} severity={context['severity']} {note}".rstrip()
            )
        if name == "start":
            job.started = True
            if self._watch and not past:
                self._read(job)
        elif name == "finish":
            job.code = _exit_code(context["status"])
        elif is_fatal(event) and not job.started and job.code is None:
            job.code = 1
        if name == "clean":
            self._over(job, job.code)
        elif name == job.wait:
            self._done_waiting(job)
        if self._progress is not None:
            self._progress.event(job.jobid, name, job.code)

    def _over(self, job: _Job, code: int | None) -> None:
        if job.code is None:
            job.code = code
        if job.waits and self._log_status:
            text = "completed" if not job.code else f"failed with exit code {job.code}"
            self._write(job.stderr, f"{job.jobid}: {text}\n")
        self._done_waiting(job)

    def _done_waiting(self, job: _Job) -> None:
        if job.waits:
            job.waits = False
            self._settle(job)

    def _settle(self, job: _Job) -> None:
        """One job less, if nothing is left to wait for."""
        if job.fresh or job.waits or job.reads or job.settled or self._stopped:
            return
        job.settled = True
        job.seen = []
        self._left -= 1
        self.handle.release()
        self._changed.notify_all()

    def _exec(self, job: _Job) -> None:
        name = job.wait.removeprefix("exec.")
        for entry in watch_log(self.handle, job.jobid, "guest.exec.eventlog"):
            if entry["name"] == name:
                break
        else:
            return  # it never comes: the end of the job ends the wait
        with self._lock:
            self._done_waiting(job)

    def _read(self, job: _Job) -> None:
        """Have the output shown. A thread for each job that runs, up to a number; others wait for one."""
        if job.followed:
            return
        job.followed = job.reads = True
        self._unread.append(job)
        if self._readers < _READERS:
            self._readers += 1
            threading.Thread(target=self._guard, args=(self._show,), name="fluxplug-output", daemon=True).start()

    def _show(self) -> None:
        while True:
            with self._lock:
                if not self._unread or self._stopped:
                    self._readers -= 1
                    return
                job = self._unread.popleft()
            renderer = OutputRenderer(self._label)
            parts: dict[str, str] = {}  # lines that have not ended: those of other jobs are not put into them
            for entry in watch_log(self.handle, job.jobid, "guest.output"):
                for stream, text in renderer.feed(entry):
                    lines, newline, parts[stream] = (parts.get(stream, "") + text).rpartition("\n")
                    if newline:
                        self._show_text(job, stream, lines + newline)
            for stream, text in parts.items():
                if text:
                    self._show_text(job, stream, text + "\n" * self._label)
            with self._lock:
                job.reads = False
                self._settle(job)

    def _show_text(self, job: _Job, stream: str, text: str) -> None:
        with self._lock:
            if self._output is not None:
                self._output(job.jobid, stream, text)
                return
            if self._label:
                text = f"{job.jobid}: " + text[:-1].replace("\n", f"\n{job.jobid}: ") + text[-1:]
            self._write(job.stdout if stream == "stdout" else job.stderr, text)

    def _say(self, job: _Job, event: dict[str, Any], text: str) -> None:
        after = event["timestamp"] - (job.submitted or event["timestamp"])
        kind, _, rest = text.partition(" ")
        self._write(job.stderr, f"{after:.3f}s: {kind} {job.jobid} {rest}".rstrip() + "\n")

    def _write(self, target: TextIO, text: str) -> None:
        if self._progress is not None:
            self._progress.clear()
        try:
            target.write(text)
        except UnicodeEncodeError:  # bytes that are no text, or a terminal that lacks the characters
            target.write(
                text.encode(target.encoding or "utf-8", "replace").decode(target.encoding or "utf-8", "replace")
            )
        target.flush()
        if self._progress is not None:
            self._progress.draw()


def _compact(context: dict[str, Any]) -> str:
    import json  # noqa: PLC0415 - where events are shown

    return json.dumps(context, ensure_ascii=False, separators=(",", ":")) if context else ""


def _exit_code(status: int) -> int:
    """The exit code for a wait status."""
    return 128 + (status & 127) if status & 127 else status >> 8


def _code(info: JobInfo) -> int:
    """The exit code of a job that is over."""
    status = info.get("waitstatus")
    return _exit_code(status) if isinstance(status, int) else 0 if info.get("success") else 1
