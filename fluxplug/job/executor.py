"""FluxExecutor: jobs as futures of `concurrent.futures`, submitted in bulk and followed over one stream a thread.

    with FluxExecutor() as executor:
        futures = [executor.submit(jobspec) for jobspec in jobspecs]
        for future in concurrent.futures.as_completed(futures):
            print(future.jobid(), future.result())

A future's result is the exit code of its job. `fluxplug.job.executor_worker` has the threads that make it so.
"""

from __future__ import annotations

import concurrent.futures
import logging
import threading
import weakref
from itertools import cycle
from typing import TYPE_CHECKING, Any

from fluxplug.job.event import MAIN_EVENTS
from fluxplug.job.executor_worker import Order, Worker
from fluxplug.job.submission import job_entry, job_flags
from fluxplug.values.jobid import JobID

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from types import TracebackType

    from fluxplug.job.submission import JobspecLike
    from fluxplug.listing.eventlog import EventLogEvent

_log = logging.getLogger(__name__)


class FluxExecutorFuture(concurrent.futures.Future[int]):
    """A job that a FluxExecutor was given: `result()` is its exit code, or minus the signal that ended its shell.

    `result` and `exception` raise or return: JobException where a fatal exception came before the job's end; the OSError with which the job
    was refused; ValueError for an id of `attach` that is unknown; ConnectionFailedError where the instance is gone. Methods that take
    callbacks return the future; they are called in the thread of the executor that has the job, or at once in the caller's for what is
    known already. What they raise is logged, and dropped. A callback must not wait for its future: RuntimeError.

    `cancel` works until the executor takes the future up, which is soon; `fluxplug.job.cancel` ends a job.
    """

    EVENTS = MAIN_EVENTS

    def __init__(self, owning_thread_id: int | None) -> None:
        super().__init__()
        self._owner = owning_thread_id
        self._guard = threading.Lock()
        self._identified = threading.Event()
        self._jobid: JobID | None = None
        self._refusal: BaseException | None = None
        self._jobid_callbacks: list[Callable[[FluxExecutorFuture], Any]] = []
        self._past: dict[str, list[EventLogEvent]] = {}
        self._event_callbacks: dict[str, list[Callable[[FluxExecutorFuture, EventLogEvent], Any]]] = {}

    def jobid(self, timeout: float | None = None) -> JobID:
        """Wait for the job's id.

        Raises TimeoutError (of concurrent.futures) after `timeout` seconds, CancelledError where the future was cancelled, RuntimeError
        where the job could not be submitted, or in a callback before it is known.
        """
        if not self._identified.is_set():
            self._not_by_owner()
            if not self._identified.wait(timeout):
                raise concurrent.futures.TimeoutError(f"no job id within {timeout:g} s")
        if self._jobid is None:
            if self._refusal is None:
                raise concurrent.futures.CancelledError
            raise RuntimeError(f"job could not be submitted due to {self._refusal}") from self._refusal
        return self._jobid

    def result(self, timeout: float | None = None) -> int:
        """Wait for the job's exit code. See the class."""
        if not self.done():
            self._not_by_owner()
        return super().result(timeout)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Wait for the job's end, and return what `result` raises, or None."""
        if not self.done():
            self._not_by_owner()
        return super().exception(timeout)

    def cancel(self) -> bool:
        """Keep the job from being submitted; False where the executor has taken it up."""
        if not super().cancel():
            return False
        self.identify(None, None)
        return True

    def add_done_callback(self, fn: Callable[[Any], Any]) -> FluxExecutorFuture:  # type: ignore[override]
        """Have `fn(future)` called when the result is there."""
        super().add_done_callback(fn)
        return self

    def add_jobid_callback(self, callback: Callable[[FluxExecutorFuture], Any]) -> FluxExecutorFuture:
        """Have `callback(future)` called when `jobid()` would not wait any more, whether there is an id or not."""
        with self._guard:
            known = self._identified.is_set()
            if not known:
                self._jobid_callbacks.append(callback)
        if known:
            _call(callback, self)
        return self

    def add_event_callback(
        self, event: str, callback: Callable[[FluxExecutorFuture, EventLogEvent], Any]
    ) -> FluxExecutorFuture:
        """Have `callback(future, event)` called for each event of a name, those that were too. Raises ValueError for a name not in EVENTS."""
        if event not in self.EVENTS:
            raise ValueError(f"event {event!r}: expected one of {', '.join(sorted(self.EVENTS))}")
        with self._guard:
            past = list(self._past.get(event, ()))
            self._event_callbacks.setdefault(event, []).append(callback)
        for one in past:
            _call(callback, self, one)
        return self

    # For the worker.

    def identify(self, jobid: JobID | None, refusal: BaseException | None) -> None:
        """The id is known, or why there is none (None and None: cancelled). The first time counts."""
        with self._guard:
            if self._identified.is_set():
                return
            self._jobid, self._refusal = jobid, refusal
            self._identified.set()
            callbacks, self._jobid_callbacks = self._jobid_callbacks, []
        for callback in callbacks:
            _call(callback, self)

    def tell(self, event: EventLogEvent) -> None:
        """The job has had an event."""
        if event.name not in self.EVENTS:
            return
        with self._guard:
            self._past.setdefault(event.name, []).append(event)
            callbacks = list(self._event_callbacks.get(event.name, ()))
        for callback in callbacks:
            _call(callback, self, event)

    def fail(self, error: BaseException) -> None:
        """There will be no result, and no id where there is none yet."""
        self.identify(None, error)
        if not self.done():
            self.set_exception(error)

    def _not_by_owner(self) -> None:
        if threading.get_ident() == self._owner:
            raise RuntimeError(
                "a callback cannot wait for its own future: the thread that calls it would make it ready"
            )


class FluxExecutor:
    """Submits jobs, and follows them to their ends, in `threads` threads, each with a handle `Flux(*handle_args, **handle_kwargs)`.

    Jobs go to the threads in turn. Jobs that wait to be sent go together, a thousand in each request; a thread follows all of its jobs over
    one stream, and goes on after a restart of the server. `poll_interval` is Flux's, and ignored: nothing polls. Any thread may submit.

    As a context manager it waits, at the end, until all jobs are over. So does the interpreter's exit. Raises ValueError for a negative
    number of threads.
    """

    def __init__(
        self,
        threads: int = 1,
        thread_name_prefix: str = "",
        poll_interval: float = 0.1,  # noqa: ARG002 - Flux's signature
        handle_args: Iterable[Any] = (),
        handle_kwargs: Mapping[str, Any] | None = None,
    ) -> None:
        if threads < 0:
            raise ValueError(f"threads: expected a number that is not negative, not {threads}")
        prefix = thread_name_prefix or "fluxplug-executor"
        self._workers = [
            Worker(f"{prefix}-{number}", tuple(handle_args), dict(handle_kwargs or {})) for number in range(threads)
        ]
        self._next = cycle(self._workers)
        self._lock = threading.Lock()
        self._shut = False
        weakref.finalize(self, _stop, self._workers).atexit = False

    def submit(
        self,
        jobspec: JobspecLike,
        urgency: int = 16,
        waitable: bool = False,
        debug: bool = False,
        pre_signed: bool = False,
    ) -> FluxExecutorFuture:
        """Submit a job, given as for `fluxplug.job.submit`, and return its future. The jobspec may be changed afterwards.

        What is wrong with the job is the future's exception. Raises RuntimeError after `shutdown`, and where a thread has failed.
        """
        body = error = None
        try:
            body = job_entry(jobspec, urgency, job_flags(waitable, debug, pre_signed))
        except (OSError, TypeError, ValueError) as fault:
            error = fault
        return self._order(lambda future: Order(future, body=body, error=error))

    def attach(self, jobid: int | str) -> FluxExecutorFuture:
        """The future of a job that was submitted in any other way. Raises ValueError for a text that is no id, RuntimeError as `submit`."""
        one = JobID(jobid)
        return self._order(lambda future: Order(future, jobid=one))

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more jobs; with `cancel_futures` those that were not taken up yet are cancelled. `wait`: until all others are over."""
        with self._lock:
            self._shut = True
        for worker in self._workers:
            worker.stop(cancel=cancel_futures)
        if wait:
            for worker in self._workers:
                worker.join()

    def __enter__(self) -> FluxExecutor:  # noqa: PYI034 - typing.Self needs 3.11
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.shutdown(wait=True)

    def _order(self, make: Callable[[FluxExecutorFuture], Order]) -> FluxExecutorFuture:
        with self._lock:
            if self._shut:
                raise RuntimeError("cannot schedule new futures after shutdown")
            if not self._workers:
                raise RuntimeError("an executor without threads cannot take jobs")
            for worker in self._workers:
                if worker.broken is not None:
                    raise RuntimeError(f"a thread of the executor has failed: {worker.broken}") from worker.broken
            worker = next(self._next)
            future = FluxExecutorFuture(worker.thread.ident)
            worker.put(make(future))
        return future


def _stop(workers: list[Worker]) -> None:
    for worker in workers:
        worker.stop()


def _call(callback: Callable[..., Any], *args: Any) -> None:
    try:
        callback(*args)
    except Exception:  # noqa: BLE001 - logged, as in concurrent.futures
        _log.exception("a callback of a FluxExecutorFuture has failed")
