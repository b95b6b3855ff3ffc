"""Journals through the Python API: the events of all jobs, and those of the resources, from the beginning and as they come."""

from __future__ import annotations

import errno
import queue
import threading
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from fluxplug.listing.eventlog import EventLogEvent
from fluxplug.values.jobid import JobID

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fluxplug.client.client import Stream
    from fluxplug.handle import Flux


class JournalEvent(EventLogEvent):
    """An event of a job: `jobid` (-1: of none), `jobspec` with its `submit`, `R` with its `alloc`; else None."""

    def __init__(
        self,
        jobid: int | str,
        event: dict[str, Any],
        jobspec: dict[str, Any] | None = None,
        R: dict[str, Any] | None = None,  # noqa: N803 - Flux's name
    ) -> None:
        super().__init__(event)
        self.jobid = JobID(jobid)
        self.jobspec = jobspec
        self.R = R

    def is_empty(self) -> bool:
        """True for the sentinel."""
        return self.jobid == -1

    def __str__(self) -> str:
        return f"{-1 if self.is_empty() else self.jobid}: {super().__str__()}"


class ResourceJournalEvent(EventLogEvent):
    """An event of the resources; `R` with `resource-define`, else None."""

    def __init__(self, event: dict[str, Any], R: dict[str, Any] | None = None) -> None:  # noqa: N803 - Flux's name
        super().__init__(event)
        self.R = R

    def is_empty(self) -> bool:
        """True for the sentinel."""
        return not self.name


#: Stands between what was before and what comes.
SENTINEL_EVENT = JournalEvent(-1, {"timestamp": 0.0, "name": "", "context": {}})
_RESOURCE_SENTINEL = ResourceJournalEvent({"timestamp": 0.0, "name": "", "context": {}})


class _Consumer(ABC):
    """Reads a journal in a thread, from `start` to `stop`, and hands out its events."""

    def __init__(self, flux_handle: Flux, since: float, include_sentinel: bool) -> None:
        self.handle = flux_handle
        self.since = since
        self.include_sentinel = include_sentinel
        self._stream: Stream | None = None
        self._queue: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._callback: Callable[[], Any] | None = None
        self._lock = threading.Lock()
        self._ended = False
        self._posted = 0  # events for which the callback was posted

    @abstractmethod
    def _open(self) -> Stream: ...

    @abstractmethod
    def _events(self, stream: Stream) -> Iterator[Any]: ...

    def start(self) -> Any:
        """Ask for the journal. Returns the consumer. Raises RuntimeError where it is started."""
        if self._stream is not None:
            raise RuntimeError("the consumer is started already")
        self._stream = self._open()
        threading.Thread(target=self._read, args=(self._stream,), name="fluxplug-journal", daemon=True).start()
        return self

    def stop(self) -> None:
        """End the journal: what was read by then can still be had, then None."""
        if self._stream is not None:
            self._stream.close()

    def poll(self, timeout: float = -1.0) -> Any:
        """The next event, None after the end. Raises TimeoutError after `timeout` seconds (negative: never), RuntimeError before `start`.

        Raises OSError where the journal broke off.
        """
        if self._stream is None:
            raise RuntimeError("the consumer is not started")
        if self._ended:
            return None
        try:
            found = self._queue.get(timeout=None if timeout < 0 else timeout)
        except queue.Empty:
            raise TimeoutError(errno.ETIMEDOUT, f"no event within {timeout:g} s") from None
        if found is None or isinstance(found, Exception):
            self._ended = True
        if isinstance(found, Exception):
            raise found
        return found

    def set_callback(self, event_cb: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        """Have `Flux.reactor_run` call `event_cb(event, *args, **kwargs)` for each event, and with None at the end."""

        def call() -> None:
            found = None
            try:
                found = self.poll()
            finally:
                if self._ended:
                    self.handle.release()
            event_cb(found, *args, **kwargs)

        self.handle.hold()
        with self._lock:
            self._callback = call
            waiting = self._queue.qsize()
        for _ in range(waiting):
            self.handle.post(call)

    def _read(self, stream: Stream) -> None:
        try:
            for event in self._events(stream):
                self._put(event)
        except Exception as error:  # noqa: BLE001 - it is raised by poll
            self._put(error)
        else:
            self._put(None)

    def _put(self, event: Any) -> None:
        with self._lock:
            self._queue.put(event)
            callback = self._callback
        if callback is not None:
            self.handle.post(callback)


class JournalConsumer(_Consumer):
    """The events of all jobs: first those that were, by time, then those that come.

    Without `full`, not those of jobs that are inactive at the start; only those after `since` (seconds since 1970). With
    `include_sentinel` a SENTINEL_EVENT stands between the two. Threads of the same process may each have their own.
    """

    def __init__(
        self, flux_handle: Flux, full: bool = True, since: float = 0.0, include_sentinel: bool = False
    ) -> None:
        super().__init__(flux_handle, since, include_sentinel)
        self.full = full

    def _open(self) -> Stream:
        return self.handle.client.stream("/v1/events", since=0, follow=True, resume=True)

    def _events(self, stream: Stream) -> Iterator[JournalEvent]:
        history: list[JournalEvent] = []
        live = False
        for line in stream:
            if line.get("sentinel"):
                if not live:
                    yield from self._ordered(history)
                    history = []
                    if self.include_sentinel:
                        yield SENTINEL_EVENT
                live = True
                continue
            event = JournalEvent(line["id"], line["event"], line.get("jobspec"), line.get("R"))
            if live:
                if event.timestamp > self.since:
                    yield event
            else:
                history.append(event)

    def _ordered(self, history: list[JournalEvent]) -> list[JournalEvent]:
        gone = set() if self.full else {event.jobid for event in history if event.name == "clean"}
        wanted = (event for event in history if event.jobid not in gone and event.timestamp > self.since)
        return sorted(wanted, key=lambda event: event.timestamp)


class ResourceJournalConsumer(_Consumer):
    """The events of the resources: what was, and what comes. Parameters as for JournalConsumer."""

    def __init__(self, flux_handle: Flux, since: float = 0.0, include_sentinel: bool = False) -> None:
        super().__init__(flux_handle, since, include_sentinel)

    def _open(self) -> Stream:
        return self.handle.client.stream("/v1/resources/eventlog", since=0, follow=True, resume=True)

    def _events(self, stream: Stream) -> Iterator[ResourceJournalEvent]:
        live = False
        for line in stream:
            if line.get("sentinel"):
                if self.include_sentinel and not live:
                    yield _RESOURCE_SENTINEL
                live = True
                continue
            event = ResourceJournalEvent({key: line[key] for key in line if key != "R"}, line.get("R"))
            if event.timestamp > self.since:
                yield event
