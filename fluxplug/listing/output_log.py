"""The output of a job, from its output eventlog (RFC 24) to what a terminal shows.

`OutputRenderer` takes one event after another, for watching; `job_output` takes a whole log. Nobody waits for events here: whoever attaches to
a job, or asks for its output, does. Data that is not UTF-8 comes as surrogate escapes, so that `text.encode(errors="surrogateescape")` has
the very bytes.
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any, NamedTuple

from fluxplug.errors import DocumentError, ParseError
from fluxplug.values.idset import IDset

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from fluxplug.values.idset import IDsetLike

#: How a message of each level (RFC 5424) is introduced.
LEVELS = ("FATAL: ", "FATAL: ", "FATAL: ", "ERROR: ", " WARN: ", "", "DEBUG: ", "TRACE: ")
MAX_REPEATED = 1 << 26  # characters that one event may become


class JobOutput(NamedTuple):
    """What a job has written, and what its shells have logged above the level for standard error."""

    stdout: str
    stderr: str
    log: str


class OutputRenderer:
    """Turns the events of one log, given in order, into (stream, text) pairs; the streams are `stdout`, `stderr` and `log`.

    `labelio` puts `RANK: ` before each line. `tasks` are the ranks whose data is wanted, `*` for all. Messages above `log_stderr_level` go
    to the stream `log`, others to `stderr`; each ends in `log_end`. `redirects` says where output went instead.
    """

    def __init__(
        self,
        labelio: bool = False,
        tasks: IDsetLike = "*",
        log_stderr_level: int = 7,
        *,
        redirects: bool = True,
        log_end: str = "\n",
    ) -> None:
        self._label = labelio
        self._tasks = None if isinstance(tasks, str) and tasks == "*" else IDset(tasks)
        self._level = log_stderr_level
        self._redirects = redirects
        self._log_end = log_end
        self._encodings: dict[str, str] = {}
        self._open: dict[str, str] = {}  # stream to the rank whose last line has not ended

    def feed(self, event: Mapping[str, Any]) -> list[tuple[str, str]]:
        """What one event adds. Raises DocumentError for one that breaks RFC 24; unknown events add nothing."""
        name, context = event.get("name"), event.get("context") or {}
        try:
            if name == "data":
                return self._data(context)
            if name == "log":
                level = context["level"]
                return [("log" if level > self._level else "stderr", render_log(context) + self._log_end)]
            if name == "redirect":
                return [("stderr", render_redirect(context) + "\n")] if self._redirects else []
            if name == "header":
                self._encodings = dict(context["encoding"])
        except (KeyError, TypeError, AttributeError, IndexError) as error:
            raise DocumentError(f"{name} event", f"breaks RFC 24: {type(error).__name__}: {error}") from error
        return []

    def _data(self, context: Mapping[str, Any]) -> list[tuple[str, str]]:
        stream, rank = context["stream"], str(context["rank"])
        data = context.get("data")
        try:
            wanted = self._tasks is None or rank == "all" or IDset(rank) & self._tasks
        except ParseError as error:
            raise DocumentError("data event", f"rank: {error}") from error
        if not data or not wanted:
            return []
        if context.get("encoding", self._encodings.get(stream)) == "base64":
            try:
                data = base64.b64decode(data, validate=True).decode("utf-8", errors="surrogateescape")
            except (binascii.Error, ValueError) as error:
                raise DocumentError("data event", f"not base64: {error}") from error
        repeated = context.get("repeat", 1)
        if not isinstance(data, str) or len(data) * max(repeated, 0) > MAX_REPEATED:
            raise DocumentError(
                "data event", f"expected a text of at most {MAX_REPEATED} characters, repetitions included"
            )
        text = data * repeated
        return [(stream, self._labeled(stream, rank, text) if self._label else text)] if text else []

    def _labeled(self, stream: str, rank: str, text: str) -> str:
        unfinished = self._open.pop(stream, None)
        lines = text.split("\n")
        if lines[-1]:
            self._open[stream] = rank
        else:
            lines.pop()
        first = "" if unfinished == rank else f"{rank}: " if unfinished is None else f"\n{rank}: "
        end = "" if stream in self._open else "\n"
        return first + f"\n{rank}: ".join(lines) + end


def render_log(context: Mapping[str, Any]) -> str:
    """A shell's message: `flux-shell[0]: ERROR: component: message`."""
    rank = context.get("rank")
    who = "flux-shell" if rank is None else f"flux-shell[{rank}]"
    component = f"{context['component']}: " if context.get("component") else ""
    return f"{who}: {LEVELS[min(max(context['level'], 0), 7)]}{component}{context['message']}"


def render_redirect(context: Mapping[str, Any]) -> str:
    """Where output went: `0: stdout redirected to PATH`."""
    path = context.get("path")
    return f"{context['rank']}: {context['stream']} redirected" + (f" to {path}" if path else "")


def render_exception(context: Mapping[str, Any]) -> str:
    """An exception of the job's eventlog, as whoever watches a job sees it: `job.exception: type=T severity=S note`."""
    return f"job.exception: type={context['type']} severity={context['severity']} {context.get('note', '')}".rstrip()


def job_output(
    events: Iterable[Mapping[str, Any]],
    tasks: IDsetLike = "*",
    labelio: bool = False,
    log_stderr_level: int = 7,
    log_end: str = "\n",
) -> JobOutput:
    """The output in a whole log; redirections are not in it. `log_end=""` runs messages together, as Flux does.

    Raises DocumentError for an event that breaks RFC 24.
    """
    renderer = OutputRenderer(labelio, tasks, log_stderr_level, redirects=False, log_end=log_end)
    found: dict[str, list[str]] = {"stdout": [], "stderr": [], "log": []}
    for event in events:
        for stream, text in renderer.feed(event):
            found.setdefault(stream, []).append(text)
    return JobOutput(*("".join(found[stream]) for stream in JobOutput._fields))
