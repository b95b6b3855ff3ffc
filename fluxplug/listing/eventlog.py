"""Eventlogs (RFC 18) for eyes and programs: an entry as a value, and the line that shows it.

Reading an eventlog from a store or a server is not here. Used by the commands that show eventlogs, and by the Python API.
"""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any

from fluxplug.clock import format_local
from fluxplug.errors import DocumentError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

FORMATS = ("text", "json")
TIMESTAMP_FORMATS = ("raw", "human", "reltime", "iso", "offset")
COLORS = ("auto", "always", "never")
# After so many seconds an offset says less than a new time of day.
_FRESH = 60.0
_GREEN, _YELLOW, _BLUE, _OFF = "\x1b[32m", "\x1b[33m", "\x1b[34m", "\x1b[0m"


class EventLogEvent(dict[str, Any]):
    """One entry: an object with `timestamp` (seconds since 1970), `name` and `context`, from a mapping or its JSON text.

    `context` is there even where the entry has none. Raises DocumentError (a ValueError) for what is no entry.
    """

    def __init__(self, event: Mapping[str, Any] | str) -> None:
        if isinstance(event, str):
            try:
                event = json.loads(event)
            except (ValueError, RecursionError) as error:
                raise DocumentError("", f"an event is not JSON: {error}") from error
        if not isinstance(event, dict):
            raise DocumentError("", f"an event must be an object, not {type(event).__name__}")
        super().__init__(event)
        self.setdefault("context", {})
        stamp = self.get("timestamp")
        if not isinstance(stamp, (int, float)) or isinstance(stamp, bool):
            raise DocumentError("timestamp", "an event needs a number of seconds")
        if not isinstance(self.get("name"), str):
            raise DocumentError("name", "an event needs a text")
        if not isinstance(self["context"], dict):
            raise DocumentError("context", "must be an object")

    @property
    def name(self) -> str:
        """What happened."""
        return self["name"]  # type: ignore[no-any-return]

    @property
    def timestamp(self) -> float:
        """When, in seconds since 1970."""
        return self["timestamp"]  # type: ignore[no-any-return]

    @property
    def context(self) -> dict[str, Any]:
        """The details."""
        return self["context"]  # type: ignore[no-any-return]

    @property
    def context_string(self) -> str:
        """The details as compact JSON with sorted keys; "" where there are none."""
        if not self.context:
            return ""
        return json.dumps(self.context, ensure_ascii=False, separators=(",", ":"), sort_keys=True)

    def __str__(self) -> str:
        return f"{self.timestamp:.5f}: {self.name} {self.context_string}".rstrip()


def read_eventlog(text: str) -> Iterator[EventLogEvent]:
    """The entries of an eventlog's text, a line each. Raises DocumentError that names the line."""
    for number, line in enumerate(text.split("\n"), 1):
        if line:
            try:
                yield EventLogEvent(line)
            except DocumentError as error:
                raise DocumentError(f"line {number}", str(error)) from error


class EventLogFormatter:
    """Turns the entries of one eventlog, given in order, into lines.

    `format`: `text` is `TIME NAME KEY=VALUE ...` with values as JSON, `json` the entry as it is. `timestamp_format`, for text: `raw`
    seconds; `iso` local date and time; `offset` seconds since the first entry; `human` (`reltime` is the same) the minute of the first entry
    and seconds since then, with a new time of day after a minute. `color` `auto`: where standard output is a terminal and NO_COLOR is unset.

    Raises ValueError for any other choice.
    """

    def __init__(self, format: str = "text", timestamp_format: str = "raw", color: str = "auto") -> None:  # noqa: A002 - Flux's name
        for name, value, known in (
            ("format", format, FORMATS),
            ("timestamp_format", timestamp_format, TIMESTAMP_FORMATS),
            ("color", color, COLORS),
        ):
            if value not in known:
                raise ValueError(f"{name}: expected one of {', '.join(known)}, not {value!r}")
        self._json = format == "json"
        self._stamps = timestamp_format
        self._color = color == "always" or (color == "auto" and not os.environ.get("NO_COLOR") and sys.stdout.isatty())
        self._first: float | None = None  # of the log
        self._base: float | None = None  # the last time of day that was shown

    def format(self, entry: Mapping[str, Any] | str) -> str:
        """The line of the next entry, without a newline. Raises DocumentError as EventLogEvent does."""
        event = entry if isinstance(entry, EventLogEvent) else EventLogEvent(entry)
        if self._json:
            shown = dict(event)
            if not event.context:
                del shown["context"]
            return json.dumps(shown, ensure_ascii=False, separators=(",", ":"))
        stamp, name = self._stamp(event.timestamp), event.name
        pairs = [
            (key, json.dumps(value, ensure_ascii=False, separators=(",", ":"))) for key, value in event.context.items()
        ]
        if self._color:
            color = _YELLOW if name != "exception" else "\x1b[1;31m"
            stamp, name = f"{_GREEN}{stamp}{_OFF}", f"{color}{name}{_OFF}"
            pairs = [(f"{_BLUE}{key}{_OFF}", value) for key, value in pairs]
        return " ".join([stamp, name, *(f"{key}={value}" for key, value in pairs)])

    def _stamp(self, seconds: float) -> str:
        if self._first is None:
            self._first = seconds
        if self._stamps == "raw":
            return f"{seconds:.6f}"
        if self._stamps == "offset":
            return f"{seconds - self._first:.6f}"
        if self._stamps == "iso":
            return format_local(seconds, "%Y-%m-%dT%H:%M:%S.%f%z")
        if self._base is None or seconds - self._base >= _FRESH:
            self._base = seconds
            return format_local(seconds, "[%b%d %H:%M]")
        return f"[{seconds - self._base:+11.6f}]"
