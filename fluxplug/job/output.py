"""The output of jobs through the Python API: all of it after the end, or as it comes, in pieces, lines or events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fluxplug.errors import JobException
from fluxplug.future import StreamFuture
from fluxplug.job.event import is_fatal, watch_log
from fluxplug.listing import output_log
from fluxplug.listing.eventlog import EventLogEvent
from fluxplug.listing.output_log import JobOutput, OutputRenderer, render_exception

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fluxplug.client.client import Stream
    from fluxplug.handle import Flux
    from fluxplug.values.idset import IDsetLike

_LOG = "guest.output"


class JobOutputEventFuture(StreamFuture[EventLogEvent]):
    """The future of `output_event_watch_async`."""

    def get_event(self, autoreset: bool = True) -> EventLogEvent | None:
        """The next event; None after the last."""
        return self.get(autoreset)


class JobOutputFuture(StreamFuture[tuple[str, str]]):
    """The future of `output_watch_async`."""

    def get_output(self, autoreset: bool = True) -> tuple[str, str] | tuple[None, None]:
        """The next stream and text; (None, None) after the last."""
        return self.get(autoreset) or (None, None)


class JobOutputLineFuture(StreamFuture[tuple[str, str]]):
    """The future of `output_watch_lines_async`."""

    def getline(self, autoreset: bool = True) -> tuple[str, str] | tuple[None, None]:
        """The next stream and line; (None, None) after the last."""
        return self.get(autoreset) or (None, None)


def job_output(  # noqa: PLR0917 - Flux's signature
    flux_handle: Flux,
    jobid: int | str,
    tasks: IDsetLike = "*",
    labelio: bool = False,
    nowait: bool = False,
    log_stderr_level: int = 7,
) -> JobOutput:
    """Wait for the end of a job, and return what it wrote: texts `stdout`, `stderr`, and `log`, what its shells said above the level.

    Data that is not UTF-8 comes as surrogate escapes. With `nowait` FileNotFoundError is raised where there is no output yet.
    Raises JobException for a job that never ran, FileNotFoundError for an unknown one.
    """
    entries = list(_entries(flux_handle, jobid, nowait=nowait))
    if not entries:
        for event in _exceptions(flux_handle, jobid):
            if is_fatal(event):
                raise JobException(event)
    return output_log.job_output(entries, tasks, labelio, log_stderr_level)


def output_event_watch(
    flux_handle: Flux,
    jobid: int | str,
    labelio: bool = False,  # noqa: ARG001 - Flux's signature
    nowait: bool = False,
) -> Iterator[EventLogEvent]:
    """The events of a job's output as they come: header, data, log, redirect, and, after the last, the job's exceptions."""
    for entry in _entries(flux_handle, jobid, nowait=nowait):
        yield EventLogEvent(entry)
    yield from _exceptions(flux_handle, jobid)


def output_watch(
    flux_handle: Flux, jobid: int | str, labelio: bool = False, log_stderr_level: int = 7, nowait: bool = False
) -> Iterator[tuple[str, str]]:
    """Pairs of a stream (`stdout`, `stderr`, `log`) and a text, as a job writes; redirections and exceptions are said on `stderr`.

    `labelio` puts `RANK: ` before each line. Raises FileNotFoundError for an unknown job, and, with `nowait`, where there is no output yet.
    """
    renderer = OutputRenderer(labelio, log_stderr_level=log_stderr_level)
    for entry in _entries(flux_handle, jobid, nowait=nowait):
        yield from renderer.feed(entry)
    for event in _exceptions(flux_handle, jobid):
        yield "stderr", render_exception(event.context) + "\n"


def output_watch_lines(  # noqa: PLR0917 - Flux's signature
    flux_handle: Flux,
    jobid: int | str,
    labelio: bool = False,
    log_stderr_level: int = 7,
    nowait: bool = False,
    keepends: bool = False,
) -> Iterator[tuple[str, str]]:
    """As `output_watch`, line by line: each comes when it is whole, whatever other tasks write meanwhile."""
    renderer = OutputRenderer(log_stderr_level=log_stderr_level)
    parts: dict[tuple[str, str], str] = {}
    end = "\n" if keepends else ""
    for entry in _entries(flux_handle, jobid, nowait=nowait):
        context = entry.get("context") or {}
        label = f"{context.get('rank')}: " if labelio and entry.get("name") == "data" else ""
        for stream, text in renderer.feed(entry):
            *lines, rest = (parts.pop((stream, label), "") + text).split("\n")
            for line in lines:
                yield stream, f"{label}{line}{end}"
            if rest:
                parts[stream, label] = rest
    for (stream, label), rest in parts.items():
        yield stream, f"{label}{rest}"
    for event in _exceptions(flux_handle, jobid):
        yield "stderr", f"{render_exception(event.context)}{end}"


def output_event_watch_async(
    flux_handle: Flux, jobid: int | str, labelio: bool = False, nowait: bool = False
) -> JobOutputEventFuture:
    """As `output_event_watch`, without waiting."""
    return JobOutputEventFuture(flux_handle, output_event_watch(flux_handle, jobid, labelio, nowait), _nothing)


def output_watch_async(
    flux_handle: Flux, jobid: int | str, labelio: bool = False, log_stderr_level: int = 7, nowait: bool = False
) -> JobOutputFuture:
    """As `output_watch`, without waiting."""
    stream = output_watch(flux_handle, jobid, labelio, log_stderr_level, nowait)
    return JobOutputFuture(flux_handle, stream, _nothing)


def output_watch_lines_async(  # noqa: PLR0917 - Flux's signature
    flux_handle: Flux,
    jobid: int | str,
    labelio: bool = False,
    log_stderr_level: int = 7,
    nowait: bool = False,
    keepends: bool = False,
) -> JobOutputLineFuture:
    """As `output_watch_lines`, without waiting."""
    stream = output_watch_lines(flux_handle, jobid, labelio, log_stderr_level, nowait, keepends)
    return JobOutputLineFuture(flux_handle, stream, _nothing)


def _nothing() -> None:
    """A future that is cancelled says so at once; its stream ends with the process, or with the job."""


def _entries(handle: Flux, jobid: int | str, *, nowait: bool) -> Iterator[dict[str, Any]]:
    if nowait:
        ready = watch_log(handle, jobid, _LOG, follow=False)
        try:
            next(ready, None)
        finally:
            ready.close()
    stream: Stream = watch_log(handle, jobid, _LOG)
    try:
        yield from stream
    finally:
        stream.close()


def _exceptions(handle: Flux, jobid: int | str) -> Iterator[EventLogEvent]:
    for entry in watch_log(handle, jobid, "eventlog", follow=False, resume=True):
        if entry["name"] == "exception":
            yield EventLogEvent(entry)
