"""The instance's API on other hosts: connections of tasks to a socket of their agent, passed on to the server through the agent's connection.

Messages of both sides, with the number that the agent gave the connection: `tunnel` (bytes, None for the end) and `taken` (how many bytes went on: a side
has at most WINDOW on the way, so that who does not read fills no memory); of the agent also `open`. With the agent's connection, all of them end.
"""

from __future__ import annotations

import asyncio
import os
import select
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from fluxplug.instance import unixsocket

if TYPE_CHECKING:
    import socket

    from fluxplug_exec_local.agent import Agent
    from fluxplug_exec_local.link import Link

#: What an agent says about such connections.
TUNNELLED = ("open", "tunnel", "taken")
WINDOW = 1 << 18
_READ = 1 << 16


class Entrance:
    """The agent's side: a socket at `path`, and the connections to it."""

    def __init__(self, agent: Agent, path: str) -> None:
        """Raises OSError."""
        self.uri = f"local://{path}"
        self.agent = agent
        self.connections: dict[int, _Incoming] = {}
        self._count = 0
        self._listener = unixsocket.listen(path)
        self._listener.setblocking(False)
        agent.watch(self._listener.fileno(), self._accept)

    def obey(self, message: list[Any]) -> None:
        """A message of the server."""
        connection = self.connections.get(message[1])
        if connection is None:
            return
        if message[0] == "taken":
            connection.taken(message[2])
        else:
            connection.write(message[2])

    def close_all(self) -> None:
        """The server has gone."""
        for connection in list(self.connections.values()):
            connection.close()

    def _accept(self, _: int) -> None:
        stream, _address = self._listener.accept()
        if unixsocket.peer_uid(stream) != os.getuid() or not self.agent.channel.welcomed:
            stream.close()
            return
        stream.setblocking(False)
        self._count += 1
        self.connections[self._count] = _Incoming(self, self._count, stream)
        self.agent.channel.say(["open", self._count])


class _Incoming:
    """One connection of a task."""

    def __init__(self, entrance: Entrance, number: int, stream: socket.socket) -> None:
        self._entrance, self._number, self._stream = entrance, number, stream
        self._say = entrance.agent.channel.say
        self._on_way = 0
        self._out = bytearray()
        self._ending = False
        self._events = 0
        self._watch()

    def write(self, data: bytes | None) -> None:
        """Bytes for the task; None: no more will come."""
        if data is None:
            self._ending = True
        else:
            self._out += data
        self._send()

    def taken(self, count: int) -> None:
        """So many bytes of the task's are no more on the way."""
        self._on_way -= count
        self._watch()

    def close(self) -> None:
        """End it here."""
        if self._entrance.connections.pop(self._number, None) is not None:
            self._entrance.agent.unwatch(self._stream.fileno())
            self._stream.close()

    def _watch(self) -> None:
        """Wait for what can be dealt with: a socket that is watched for nothing still reports its end, again and again."""
        reading = self._on_way < WINDOW and not self._ending
        events = (select.EPOLLIN if reading else 0) | (select.EPOLLOUT if self._out else 0)
        if events == self._events:
            return
        agent, fd = self._entrance.agent, self._stream.fileno()
        if self._events:
            agent.unwatch(fd)
        if events:
            agent.watch(fd, self._ready, events)
        self._events = events

    def _ready(self, events: int) -> None:
        if events & select.EPOLLOUT:
            self._send()
        if self._number not in self._entrance.connections or not events & ~select.EPOLLOUT:
            return
        try:
            data = self._stream.recv(_READ)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._end()
            return
        self._on_way += len(data)
        self._say(["tunnel", self._number, data])
        self._watch()

    def _send(self) -> None:
        if self._out:
            try:
                count = self._stream.send(self._out)
            except BlockingIOError:
                count = 0
            except OSError:
                self._end()
                return
            if count:
                del self._out[:count]
                self._say(["taken", self._number, count])
        if self._ending and not self._out:
            self.close()
        else:
            self._watch()

    def _end(self) -> None:
        self.close()
        self._say(["tunnel", self._number, None])


class Exit:
    """The server's side, for one agent: connections to the server's own socket at `path`."""

    def __init__(self, link: Link, path: str) -> None:
        self._link, self._path = link, path
        self._connections: dict[int, _Outgoing] = {}

    def obey(self, message: list[Any]) -> None:
        """A message of the agent."""
        number = message[1]
        if message[0] == "open":
            try:
                # This loop is who accepts: it cannot wait until there is room for one more.
                stream = unixsocket.connect(self._path, timeout=0)
            except OSError:
                self._link.send("tunnel", number, None)
                return
            connection = self._connections[number] = _Outgoing(self, number)
            loop = asyncio.get_running_loop()
            connection.task = loop.create_task(loop.create_unix_connection(lambda: connection, sock=stream))
            return
        known = self._connections.get(number)
        if known is None:
            return
        if message[0] == "taken":
            known.taken(message[2])
        else:
            known.write(message[2])

    def close_all(self) -> None:
        """The agent has gone."""
        for connection in list(self._connections.values()):
            connection.abort()
        self._connections.clear()

    def say(self, connection: _Outgoing, op: str, value: bytes | int | None) -> None:
        """To the agent, about a connection that it still has."""
        if self._connections.get(connection.number) is connection:
            self._link.send(op, connection.number, value)
            if value is None:
                del self._connections[connection.number]


class _Outgoing(asyncio.Protocol):
    def __init__(self, exit_: Exit, number: int) -> None:
        self.number = number
        self.task: asyncio.Task[Any] | None = None
        self._exit = exit_
        self._transport: asyncio.Transport | None = None
        self._early: list[bytes | None] = []
        self._aborted = self._full = False
        self._on_way = self._owed = 0

    def write(self, data: bytes | None) -> None:
        """Bytes of the task; None: it has gone."""
        if self._transport is None:
            self._early.append(data)
        elif data is None:
            self._transport.close()
        else:
            self._transport.write(data)
            self._owed += len(data)
            self._pay()

    def taken(self, count: int) -> None:
        """So many bytes of the server's are no more on the way."""
        self._on_way -= count
        if self._on_way < WINDOW and self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def abort(self) -> None:
        """End it here."""
        self._aborted = True
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        if self._aborted:
            transport.abort()
        early, self._early = self._early, []
        for data in early:
            self.write(data)

    def data_received(self, data: bytes) -> None:
        self._on_way += len(data)
        self._exit.say(self, "tunnel", data)
        if self._on_way >= WINDOW and self._transport is not None:
            with suppress(RuntimeError):  # it is closing
                self._transport.pause_reading()

    def pause_writing(self) -> None:
        self._full = True

    def resume_writing(self) -> None:
        self._full = False
        self._pay()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._exit.say(self, "tunnel", None)

    def _pay(self) -> None:
        if self._owed and not self._full:
            owed, self._owed = self._owed, 0
            self._exit.say(self, "taken", owed)
