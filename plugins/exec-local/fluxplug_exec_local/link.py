"""The server's connection with the agent of one rank: finding or starting it, what is asked of it, what it reports.

A connection that ends while the agent lives is made again, and goes on; an agent that has died is followed by a new one. Not here: what reports
mean (`combine`, `executor`).
"""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fluxplug.instance import unixsocket
from fluxplug_exec_local.protocol import ProtocolError, Splitter, frame

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Sequence

    from fluxplug.exec import Host

#: Seconds that an agent has to say hello: it may be one of many that start on a busy machine.
HELLO_TIMEOUT = 30.0
#: Seconds between the starts of agents that die at once.
RESTART_INTERVAL = 2.0


class Hello:
    """What an agent said about itself: its `instance` id, and (marks, status) of each job that it knows."""

    __slots__ = ("instance", "jobs", "pid")

    def __init__(self, message: Sequence[Any]) -> None:
        self.instance: str = message[1]
        self.pid: int = message[2]
        self.jobs: dict[int, tuple[list[int], int]] = {jobid: (marks, status) for jobid, marks, status in message[3]}


class Link(asyncio.Protocol):
    """One rank's agent. `up` while it can be asked; `instance` is its id, the key of its batches."""

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
        self.up = False
        self.instance = ""
        self.delivered = 0
        self.closing = False
        self._path = str(statedir / "agents" / f"{host.rank}.sock")
        self._statedir = statedir
        self._heard = heard
        self._lost = lost
        self._transport: asyncio.Transport | None = None
        self._splitter = Splitter()
        self._hello: asyncio.Future[Hello] | None = None
        self._out: list[Any] = []
        self._started: int | None = None
        self.disconnected = asyncio.Event()

    async def find(self) -> Hello | None:
        """The hello of the agent that serves this rank already; None where there is none."""
        try:
            connection = unixsocket.connect(self._path)
        except OSError:
            return None
        return await self._meet(connection)

    async def start(self) -> Hello | None:
        """Start an agent; None where it does not say hello: its log says why."""
        self._bury()
        try:
            listener = unixsocket.listen(self._path)
        except OSError:  # a full disk, for one: it is tried again
            return None
        connection = None
        try:
            connection = unixsocket.connect(self._path)
            self._started = self._spawn(listener)
        except OSError:
            if connection is not None:
                connection.close()
            return None
        finally:
            listener.close()
        return await self._meet(connection)

    def welcome(self, stored: int, settings: dict[str, Any]) -> None:
        """Begin: the agent drops what is stored up to that batch, and tells the rest."""
        self.up = True
        self.send("welcome", stored, settings)

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
        self._splitter = Splitter()

    def data_received(self, data: bytes) -> None:
        try:
            messages = self._splitter.feed(data)
        except ProtocolError:
            messages = []
            if self._transport is not None:
                self._transport.abort()
        if messages and self._hello is not None and not self._hello.done() and messages[0][0] == "hello":
            self._hello.set_result(Hello(messages.pop(0)))
        if messages:
            self._heard(self, messages)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._transport = None
        self._out.clear()
        was_up, self.up = self.up, False
        self.disconnected.set()
        if self._hello is not None and not self._hello.done():
            self._hello.set_exception(ConnectionError("the agent ended"))
        elif was_up and not self.closing:
            self._lost(self)
        if self.closing:
            self._bury()

    def _flush(self) -> None:
        if self._out and self._transport is not None:
            self._transport.write(frame(self._out))
        self._out = []

    async def _meet(self, connection: socket.socket) -> Hello | None:
        """Connect, and wait for the hello of an agent of the same user."""
        if unixsocket.peer_uid(connection) != os.getuid():
            connection.close()
            return None
        loop = asyncio.get_running_loop()
        self._hello = loop.create_future()
        self.disconnected.clear()
        connection.setblocking(False)
        await loop.create_unix_connection(lambda: self, sock=connection)
        try:
            return await asyncio.wait_for(self._hello, HELLO_TIMEOUT)
        except (ConnectionError, asyncio.TimeoutError):
            if self._transport is not None:
                self._transport.abort()
                await self.disconnected.wait()
            return None

    def _spawn(self, listener: socket.socket) -> int:
        """A process of its own session, which the server's end does not touch; its output goes to a log beside its socket."""
        log = str(Path(self._path).with_suffix(".log"))
        fd = 3
        actions = [
            (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
            (os.POSIX_SPAWN_DUP2, listener.fileno(), fd),
        ]
        command = [sys.executable, "-m", "fluxplug_exec_local.agent", str(self._statedir), str(self.rank), str(fd)]
        return os.posix_spawn(sys.executable, command, dict(os.environ), file_actions=actions, setsid=True)

    def _bury(self) -> None:
        """Collect the status of the agent that this server has started and that has ended."""
        if self._started is not None:
            with suppress(ChildProcessError):
                pid, _ = os.waitpid(self._started, os.WNOHANG)
                if not pid:
                    return
            self._started = None
