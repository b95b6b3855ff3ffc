"""The server's connection with the agent of one rank: finding or starting it, what is asked of it, what it reports.

A connection that ends while the agent lives is made again, and goes on; an agent that has died is followed by a new one. Not here: agents of other
hosts (`remote`), what reports mean (`combine`, `executor`).
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from fluxplug.instance import unixsocket
from fluxplug_exec_local.protocol import MAX_FRAME, MAX_HELLO, ProtocolError, Splitter, frame
from fluxplug_exec_local.start import address_of, start_agent

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from fluxplug.exec import Host

#: Seconds that an agent has to say hello: it may be one of many that start on a busy machine.
HELLO_TIMEOUT = 30.0
#: Seconds between the starts of agents that die at once.
RESTART_INTERVAL = 2.0


class Hello:
    """What an agent said about itself: its `instance` id, (marks, status) of each job that it knows, and the last request that it has `taken`."""

    __slots__ = ("instance", "jobs", "pid", "taken")

    def __init__(self, message: Sequence[Any]) -> None:
        """Raises ProtocolError where it is none."""
        try:
            word, self.instance, self.pid, jobs, self.taken = message
            self.jobs: dict[int, tuple[list[int], int]] = {jobid: (marks, status) for jobid, marks, status in jobs}
        except (TypeError, ValueError) as error:
            raise ProtocolError(f"no hello: {error}") from None
        if word != "hello" or not (isinstance(self.instance, str) and isinstance(self.taken, int)):
            raise ProtocolError("no hello")


class Link(asyncio.Protocol):
    """One rank's agent. `up` while it can be asked; `instance` is its id, the key of its batches.

    `expected`: the agent may be there although it is not up: what is for it waits, and its jobs are not lost yet. `taken`: its hello was accepted, so
    that `lost` is called at the end of the connection.
    """

    def __init__(
        self,
        host: Host,
        statedir: Path,
        *,
        heard: Callable[[Link, list[Any]], None],
        lost: Callable[[Link], None],
    ) -> None:
        self.host = host
        self.rank = host.rank
        self.up = self.expected = self.taken = False
        self.instance = ""
        self.delivered = 0
        self.closing = False
        #: Requests that must neither be lost nor come twice, until the agent says that it has them; the first one's number, and their bytes.
        self._kept: deque[tuple[Any, ...]] = deque()
        self._first = 1
        self.kept_bytes = 0
        self._path = address_of(str(statedir), host.rank)
        self._statedir = statedir
        self._heard = heard
        self._lost = lost
        self._transport: asyncio.Transport | None = None
        self._splitter = Splitter()
        self._hello: asyncio.Future[Hello] | None = None
        self._out: list[Any] = []
        self._started: int | None = None
        self.disconnected = asyncio.Event()
        #: What was wrong with the answer where that was no agent's.
        self.nonsense = ""

    async def find(self) -> Hello | None:
        """The hello of the agent that serves this rank already; None where there is none."""
        try:
            connection = unixsocket.connect(self._path)
        except OSError:
            return None
        return await self._meet_own(connection)

    async def start(self) -> Hello | None:
        """Start an agent; None where it does not say hello: its log says why."""
        self._bury()
        try:
            connection, self._started = start_agent(str(self._statedir), self.rank, remote=False)
        except OSError:  # a full disk, for one: it is tried again
            return None
        return await self._meet_own(connection)

    @property
    def connected(self) -> bool:
        """Whether there is somebody to talk to, welcome or not."""
        return self._transport is not None

    def welcome(self, stored: int, settings: dict[str, Any]) -> None:
        """Begin: the agent drops what is stored up to that batch, and tells the rest."""
        self.up = self.expected = True
        self.send("welcome", stored, settings)

    def request(self, *message: Any) -> None:
        """Tell the agent, now or when it has returned if that is to be expected: once, whatever becomes of connections meanwhile."""
        if not (self.up or self.expected):
            return
        self._kept.append(message)
        self.kept_bytes += _size(message)
        if self.up:
            self.send("request", self._first + len(self._kept) - 1, *message)

    def send_kept(self) -> None:
        """Tell what was requested and is not known to have come."""
        for number, message in enumerate(self._kept, self._first):
            self.send("request", number, *message)

    def requests_taken(self, number: int) -> None:
        """The agent has the requests up to this number."""
        while self._kept and self._first <= number:
            self.kept_bytes -= _size(self._kept.popleft())
            self._first += 1

    def drop_kept(self) -> None:
        """Nobody is there any more to be told."""
        self._kept.clear()
        self.kept_bytes = 0

    def meet_agent(self, instance: str, taken: int) -> bool:
        """An agent is there that has requests up to a number; whether it is another than before."""
        if self.instance == instance:
            self.requests_taken(taken)
            return False
        if self.instance:
            self.drop_kept()
        self.instance, self._first = instance, taken + 1
        return True

    def send(self, *message: Any) -> None:
        """Tell the agent, at the end of this turn of the loop, in one frame with all else."""
        if not self._out:
            asyncio.get_running_loop().call_soon(self._flush)
        self._out.append(message)

    def close(self) -> None:
        """Leave the agent to itself."""
        self.closing = True
        self._flush()
        if self._transport is not None:
            self._transport.close()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._splitter = Splitter(MAX_HELLO)

    def data_received(self, data: bytes) -> None:
        try:
            messages = self._splitter.feed(data)
            if messages and self._hello is not None and not self._hello.done():
                self._hello.set_result(Hello(messages.pop(0)))
                self._splitter.most = MAX_FRAME
        except ProtocolError as error:
            self.nonsense = str(error)
            if self._transport is not None:
                self._transport.abort()
            return
        if messages:
            self._heard(self, messages)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._transport = None
        self._out.clear()
        was_taken, self.taken, self.up = self.taken, False, False
        self.disconnected.set()
        if self._hello is not None and not self._hello.done():
            self._hello.set_exception(ConnectionError("the agent ended"))
        elif was_taken and not self.closing:
            self._lost(self)
        if self.closing:
            self._bury()

    def _flush(self) -> None:
        if self._out and self._transport is not None:
            self._transport.write(frame(self._out))
        self._out = []

    async def _meet_own(self, connection: socket.socket) -> Hello | None:
        """The hello of an agent of the same user."""
        if unixsocket.peer_uid(connection) != os.getuid():
            connection.close()
            return None
        return await self._meet(connection)

    async def _meet(self, connection: socket.socket) -> Hello | None:
        """Talk through this socket from now on, and wait for the hello; None where none comes, and nothing is left open."""
        loop = asyncio.get_running_loop()
        self._hello = loop.create_future()
        self.nonsense = ""
        self.disconnected.clear()
        connection.setblocking(False)
        await loop.create_unix_connection(lambda: self, sock=connection)
        try:
            found = await asyncio.wait_for(self._hello, HELLO_TIMEOUT)
        except (ConnectionError, asyncio.TimeoutError):
            if self._transport is not None:
                self._transport.abort()
                await self.disconnected.wait()
            return None
        return found if self._transport is not None else None

    def _bury(self) -> None:
        """Collect the status of the agent that this server has started and that has ended."""
        if self._started is not None:
            with suppress(ChildProcessError):
                pid, _ = os.waitpid(self._started, os.WNOHANG)
                if not pid:
                    return
            self._started = None


def _size(message: Sequence[Any]) -> int:
    return sum(len(part) for part in message if isinstance(part, bytes))
