"""The threads behind a FluxExecutor. Nothing else uses this.

A worker takes orders (jobs to submit, jobs to attach to) and what the journal tells out of one inbox: what happens to a job is so looked at
after its id is known, and all callbacks come from one thread. A second thread of its own does nothing but read the journal.
"""

from __future__ import annotations

import atexit
import errno
import queue
import threading
import weakref
from collections import deque
from typing import TYPE_CHECKING, Any

from attrs import define, field

from fluxplug.errors import ApiError, JobException
from fluxplug.handle import Flux
from fluxplug.job.event import is_fatal, watch_log
from fluxplug.job.submission import MOST, portions, send_entries
from fluxplug.listing.eventlog import EventLogEvent
from fluxplug.values.jobid import JobID, id_encode

if TYPE_CHECKING:
    from fluxplug.client.client import Stream
    from fluxplug.job.executor import FluxExecutorFuture

_STOP = "stop"


@define(eq=False)
class Order:
    """What an executor is asked for: to submit `body` (see `job_entry`), or to attach to `jobid`; `error`: there is nothing to submit."""

    future: FluxExecutorFuture
    body: bytes | None = None
    jobid: JobID | None = None
    error: Exception | None = None


@define(eq=False)
class _Job:
    """A job that is followed for a future; `seen`: events of its log that the journal may tell of once more."""

    future: FluxExecutorFuture
    seen: list[dict[str, Any]] = field(factory=list)


class Worker:
    """One thread of an executor, from its construction to the end of its last job after `stop`. `broken`: why it has failed."""

    def __init__(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.broken: BaseException | None = None
        self._args, self._kwargs = args, kwargs
        self._inbox: queue.SimpleQueue[Any] = queue.SimpleQueue()  # (id, event), None: an order, _STOP, or an exception
        self._lock = threading.Lock()
        self._orders: deque[Order] = deque()
        self._jobs: dict[str, list[_Job]] = {}
        self._live = threading.Event()
        self._over = threading.Event()
        self._stream: Stream | None = None
        self._handle: Flux
        self.thread = threading.Thread(target=self._run, name=name, daemon=True)
        _workers.add(self)
        self.thread.start()

    # What other threads call.

    def put(self, order: Order) -> None:
        """Take an order. Raises RuntimeError where the thread has failed."""
        with self._lock:
            if self.broken is not None:
                raise RuntimeError(f"a thread of the executor has failed: {self.broken}") from self.broken
            self._orders.append(order)
        self._inbox.put(None)

    def stop(self, *, cancel: bool = False) -> None:
        """End when all jobs are over; with `cancel`, orders that were not taken up are cancelled."""
        if cancel:
            with self._lock:
                waiting = list(self._orders)
            for order in waiting:
                order.future.cancel()
        self._inbox.put(_STOP)

    def join(self) -> None:
        """Wait until the thread has ended. The thread itself does not wait: a callback may shut the executor down."""
        if threading.current_thread() is not self.thread:
            self.thread.join()

    # What the thread does.

    def _run(self) -> None:
        try:
            self._work()
        except BaseException as error:  # noqa: BLE001 - every future raises it
            self._fail(error)
        finally:
            self._over.set()
            if self._stream is not None:
                self._stream.close()

    def _fail(self, error: BaseException) -> None:
        with self._lock:
            self.broken = error
            orders, self._orders = self._orders, deque()
        for order in orders:
            if order.future.set_running_or_notify_cancel():
                order.future.fail(error)
        for jobs in self._jobs.values():
            for job in jobs:
                job.future.fail(error)

    def _work(self) -> None:
        self._handle = Flux(*self._args, **self._kwargs)
        threading.Thread(target=self._read, name=f"{self.thread.name}-journal", daemon=True).start()
        self._live.wait()
        stopping = False
        while not stopping or self._jobs or self._orders:
            found = self._inbox.get()
            if self._orders:
                self._take()
            if isinstance(found, tuple):
                key, event = found
                for job in self._jobs.get(key, ()):
                    if event not in job.seen:
                        _tell(job.future, event)
                if event["name"] == "clean":
                    self._jobs.pop(key, None)
            elif found == _STOP:
                stopping = True
            elif found is not None:
                raise found

    def _take(self) -> None:
        """Carry out the orders that are there, at most so many as fit a request: each of them has an entry in the inbox, so none is left."""
        with self._lock:
            orders = [self._orders.popleft() for _ in range(min(len(self._orders), MOST))]
        wanted = []
        for order in orders:
            future = order.future
            if not future.set_running_or_notify_cancel():
                continue
            if order.error is not None:
                future.fail(order.error)
            elif order.jobid is not None:
                self._attach(order.jobid, future)
            else:
                wanted.append(order)
        answers: list[Any] = []
        for portion in portions(order.body or b"" for order in wanted):
            try:
                answers += send_entries(self._handle, portion, resume=True)
            except OSError as error:
                answers += [error] * len(portion)
        for order, found in zip(wanted, answers, strict=True):
            if isinstance(found, JobID):
                self._jobs[_key(found)] = [_Job(order.future)]
        for order, found in zip(wanted, answers, strict=True):
            if isinstance(found, JobID):
                order.future.identify(found, None)
            else:
                order.future.fail(found)

    def _attach(self, jobid: JobID, future: FluxExecutorFuture) -> None:
        """Tell what was, out of the job's log; what comes, and perhaps some of what was, comes from the journal, which is followed already."""
        future.identify(jobid, None)
        try:
            past = list(watch_log(self._handle, jobid, "eventlog", follow=False, resume=True))
        except FileNotFoundError:
            future.fail(ValueError(f"{jobid}: job ID does not match any job"))
            return
        except OSError as error:
            future.fail(error)
            return
        if past[-1]["name"] != "clean":
            self._jobs.setdefault(_key(jobid), []).append(_Job(future, past))
        for event in past:
            _tell(future, event)

    def _read(self) -> None:
        """The other thread: the journal, from now on, into the inbox."""
        try:
            self._stream = stream = self._handle.client.stream(
                "/v1/events", since=-1, follow=True, documents=False, resume=True
            )
            if self._over.is_set():  # it was closed before it was there
                return
            for line in stream:
                if line.get("sentinel"):
                    self._live.set()
                else:
                    self._inbox.put((line["id"], line["event"]))
        except Exception as error:  # noqa: BLE001 - the worker raises it
            self._inbox.put(error)
            self._live.set()


def _tell(future: FluxExecutorFuture, event: dict[str, Any]) -> None:
    """An event of a job: for callbacks, and perhaps it is the result."""
    entry = EventLogEvent(event)
    future.tell(entry)
    if future.done():
        return
    if entry.name == "finish":
        status = entry.context["status"]
        future.set_result(-(status & 127) if status & 127 else status >> 8)
    elif is_fatal(entry):
        future.set_exception(JobException(entry))
    elif entry.name == "clean":
        future.set_exception(ApiError(errno.ENODATA, "the job ended without a status"))


def _key(jobid: JobID) -> str:
    """An id as the journal has it, whatever the locale."""
    return "ƒ" + id_encode(jobid, "f58plain")[1:]


_workers: weakref.WeakSet[Worker] = weakref.WeakSet()


@atexit.register
def _finish() -> None:
    """The interpreter exits when all jobs are over, as it does with the executors of concurrent.futures."""
    workers = [worker for worker in _workers if worker.thread.is_alive()]
    for worker in workers:
        worker.stop()
    for worker in workers:
        worker.join()
