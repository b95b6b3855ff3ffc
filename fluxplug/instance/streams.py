"""Whoever follows logs: woken when entries have become durable, reading from the store at their own pace.

A follower keeps a place in a log, not a queue of what it has not read: a slow one costs a number, and one that comes back resumes from it. Where
the server ends before what is followed does, the last line is CLOSING.
"""

from __future__ import annotations

import asyncio
import errno
from contextlib import suppress
from typing import TYPE_CHECKING

from fluxplug.instance.jobs import encode
from fluxplug.instance.store import EVENTLOG, LOGS

if TYPE_CHECKING:
    from collections.abc import Sequence

Key = tuple[int, str]
JOURNAL: Key = (-1, "")
CLOSING_TEXT = "the server is being shut down"
CLOSING = encode({"error": {"errno": errno.ESHUTDOWN, "message": CLOSING_TEXT}}) + b"\n"
"""The last line of a stream that another server may go on with."""
LAST_WORDS = 1.0
"""Seconds for followers to read what is there when the server ends."""


class Streams:
    """Events to wait for, by (jobid, log), and JOURNAL for every entry of an event log.

    `closing`, set once the server ends: nothing new comes, and what is there is read quickly. `closed`: nothing can be read any more.
    """

    def __init__(self) -> None:
        self._events: dict[Key, asyncio.Event] = {}
        self._followers: dict[Key, int] = {}
        self.closing = asyncio.Event()
        self.closed = False
        self._deserted = asyncio.Event()
        self._deserted.set()

    def follow(self, key: Key) -> asyncio.Event:
        """An event that is set when something new is there; its owner clears it. `leave` must follow."""
        self._followers[key] = self._followers.get(key, 0) + 1
        self._deserted.clear()
        event = self._events.get(key)
        if event is None:
            event = self._events[key] = asyncio.Event()
        if self.closing.is_set():
            event.set()
        return event

    def leave(self, key: Key) -> None:
        """One follower less."""
        self._followers[key] -= 1
        if not self._followers[key]:
            del self._followers[key], self._events[key]
        if not self._followers:
            self._deserted.set()

    def publish(self, runs: Sequence[tuple[int, int, str, list[bytes]]]) -> None:
        """Wake those for whom something has become durable."""
        events = self._events
        if not events:
            return
        journal = events.get(JOURNAL)
        for _, jobid, log, _ in runs:
            event = events.get((jobid, log))
            if event is not None:
                event.set()
            if log == EVENTLOG:  # the end of a job, which it may say, is the end of all its logs
                if journal is not None:
                    journal.set()
                for other in LOGS[1:4]:
                    event = events.get((jobid, other))
                    if event is not None:
                        event.set()

    async def close(self) -> None:
        """The server ends: wake all for good, and wait a moment until they have read the rest."""
        self.closing.set()
        for event in self._events.values():
            event.set()
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._deserted.wait(), LAST_WORDS)
        self.closed = True
