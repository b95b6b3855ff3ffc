"""Eventlogs of jobs through the Python API: watching one, and waiting for an event."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

from fluxplug.errors import ApiError, JobException
from fluxplug.future import StreamFuture
from fluxplug.job.control import path
from fluxplug.listing.eventlog import EventLogEvent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fluxplug.client.client import Stream
    from fluxplug.handle import Flux

#: The events of a job's main eventlog that drive it, or that users wait for.
MAIN_EVENTS = frozenset(
    "submit depend priority flux-restart urgency alloc free start release finish clean debug exception".split()  # noqa: SIM905 - a table
)


class JobEventWatchFuture(StreamFuture[EventLogEvent]):
    """The events of a log, one after another."""

    def get_event(self, autoreset: bool = True) -> EventLogEvent | None:
        """The next event; None after the last."""
        return self.get(autoreset)


def event_watch(flux_handle: Flux, jobid: int | str, eventlog: str = "eventlog") -> Iterator[EventLogEvent]:
    """The events of a job's log, as they come, until it is complete.

    Logs: `eventlog`, `guest.exec.eventlog`, `guest.output`, `guest.input`. Goes on after a restart of the instance. Raises FileNotFoundError
    for an unknown job or log.
    """
    stream = watch_log(flux_handle, jobid, eventlog)
    try:
        for entry in stream:
            yield EventLogEvent(entry)
    finally:
        stream.close()


def event_watch_async(flux_handle: Flux, jobid: int | str, eventlog: str = "eventlog") -> JobEventWatchFuture:
    """As `event_watch`, without waiting."""
    stream = watch_log(flux_handle, jobid, eventlog)
    return JobEventWatchFuture(flux_handle, map(EventLogEvent, stream), stream.close)


def event_wait(
    flux_handle: Flux,
    jobid: int | str,
    name: str,
    eventlog: str = "eventlog",
    raiseJobException: bool = True,  # noqa: N803 - Flux's name
) -> EventLogEvent:
    """Wait for the first event of a name, and return it.

    Raises JobException where a fatal exception comes first (unless told not to), OSError (ENODATA) where the log ends without it.
    """
    for event in event_watch(flux_handle, jobid, eventlog):
        if event.name == name:
            return event
        if raiseJobException and is_fatal(event):
            raise JobException(event)
    raise ApiError(errno.ENODATA, f"eventlog ended before event='{name}'")


def is_fatal(event: dict[str, Any]) -> bool:
    """True for an exception that ends its job."""
    return event.get("name") == "exception" and (event.get("context") or {}).get("severity") == 0


def watch_log(
    flux_handle: Flux, jobid: int | str, log: str, *, follow: bool = True, resume: bool | None = None
) -> Stream:
    """The raw entries of a job's log; with `follow` until the log is complete. `resume` (see Client.stream) is as `follow` unless said."""
    query = {"follow": True} if follow else {}
    return flux_handle.client.stream(f"{path(jobid)}/{log}", resume=follow if resume is None else resume, **query)
