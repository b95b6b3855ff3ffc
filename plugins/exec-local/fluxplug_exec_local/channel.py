"""An agent's side of the connection to the server: what is told, kept until the server says that it is stored, and told again.

Reports are collected for a turn of the loop and become one numbered batch. A newly connected server gets a hello, says up to which number it
has everything, and gets the rest.
"""

from __future__ import annotations

import os
import select
import traceback
from collections import deque
from typing import TYPE_CHECKING, Any

from fluxplug.clock import since_boot
from fluxplug.instance.unixsocket import peer_uid
from fluxplug_exec_local.cgroup import Cgroups
from fluxplug_exec_local.job import Job
from fluxplug_exec_local.protocol import ProtocolError, Splitter, frame

if TYPE_CHECKING:
    import socket

    from fluxplug_exec_local.agent import Agent

#: With more than this many bytes of untaken reports the agent reads no more output; below half of it, it goes on.
MAX_RETAINED = 4 << 20

_READ = 1 << 18


class Channel:
    """The listening socket, at most one server, and the reports that it has not stored yet."""

    def __init__(self, agent: Agent, listener: socket.socket) -> None:
        self.agent = agent
        self.connected = False
        #: When the server last said something, by the clock of this host.
        self.heard_at = since_boot()
        self.seq = 0
        #: The number of the last request: what a server asks that must neither be lost nor done twice.
        self._taken = 0
        self.retained: deque[tuple[int, bytes]] = deque()
        self._retained_bytes = 0
        self._pending: list[Any] = []
        self._listener = listener
        self._socket: socket.socket | None = None
        self._splitter = Splitter()
        self._out: deque[bytes | memoryview] = deque()
        self._welcome = False
        self._waiting_to_write = False
        listener.setblocking(False)
        agent.watch(listener.fileno(), self._accept)

    def report(self, message: list[Any]) -> int:
        """Add a report to this turn's batch; the number that it will have."""
        self._pending.append(message)
        return self.seq + 1

    def say(self, message: list[Any]) -> None:
        """Tell the server something that need not be kept; dropped without a server."""
        if self._welcome:
            self._out.append(frame(message))

    def flush(self) -> None:
        """End of a turn: make a batch, send what can be sent."""
        if self._pending:
            self.seq += 1
            data = frame(["reports", self.seq, self._pending])
            self._pending = []
            self.retained.append((self.seq, data))
            self._retained_bytes += len(data)
            if self._retained_bytes > MAX_RETAINED and not self.agent.paused:
                self.agent.set_paused(True)
            if self._welcome:
                self._out.append(data)
        if self._out and not self._waiting_to_write:
            self._send()

    @property
    def unsent(self) -> bool:
        """Whether a connected server has still to be told something."""
        return bool(self._out)

    @property
    def welcomed(self) -> bool:
        """Whether there is a server that listens to everything."""
        return self._welcome

    def close(self) -> None:
        """Leave the address, drop the connection."""
        self.agent.unwatch(self._listener.fileno())
        self._listener.close()
        self._drop()

    def _accept(self, _: int) -> None:
        connection, _address = self._listener.accept()
        if peer_uid(connection) != os.getuid():
            connection.close()
            return
        self._drop()  # the newest is the server: an older one has died, or gives way
        connection.setblocking(False)
        self._socket = connection
        self.connected = True
        self._splitter = Splitter()
        self.agent.watch(connection.fileno(), self._ready)
        known = [job.summary() for job in self.agent.jobs.values()]
        self._out.append(frame(["hello", self.agent.instance, os.getpid(), known, self._taken]))

    def _drop(self) -> None:
        if self._socket is None:
            return
        self.agent.unwatch(self._socket.fileno())
        self._socket.close()
        self._socket = None
        self.connected = self._welcome = self._waiting_to_write = False
        self._out.clear()
        if self.agent.entrance is not None:
            self.agent.entrance.close_all()

    def _ready(self, events: int) -> None:
        if events & select.EPOLLOUT:
            self._send()
        if not events & ~select.EPOLLOUT or self._socket is None:
            return
        try:
            data = self._socket.recv(_READ)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._drop()
            return
        self.heard_at = since_boot()
        before = self._taken
        try:
            for messages in self._splitter.feed(data):
                for message in messages:
                    self._obey(message)
        except ProtocolError:
            self._drop()
        if self._taken != before:
            self.say(["requests", self._taken])

    def _send(self) -> None:
        out = self._out
        connection = self._socket
        if connection is None:
            out.clear()
            return
        while out:
            try:
                sent = connection.send(out[0])
            except BlockingIOError:
                sent = 0
            except OSError:
                self._drop()
                return
            if sent == len(out[0]):
                out.popleft()
                continue
            out[0] = memoryview(out[0])[sent:]
            break
        if bool(out) != self._waiting_to_write:
            self._waiting_to_write = bool(out)
            self.agent.rewatch(connection.fileno(), select.EPOLLIN | select.EPOLLOUT if out else select.EPOLLIN)

    def _obey(self, message: list[Any]) -> None:
        agent = self.agent
        op = message[0]
        if op == "launch":
            jobid = message[1]
            if jobid not in agent.jobs:
                agent.jobs[jobid] = job = Job(agent, *message[1:])
                agent.queue.append(job)
        elif op == "ack":
            self._acknowledged(message[1])
        elif op == "forget":
            for jobid in message[1]:
                known = agent.jobs.get(jobid)
                if known is not None and known.ended:
                    del agent.jobs[jobid]
        elif op == "welcome":
            self._welcomed(message[1], message[2])
        elif op == "processes":
            known = agent.jobs.get(message[1])
            self.say(["processes", message[2], known.processes() if known is not None else []])
        elif op == "request":
            if message[1] > self._taken:
                self._taken = message[1]
                self._obey(message[2:])
        elif op == "ping":
            self.say(["pong"])
        elif op in ("tunnel", "taken"):
            if agent.entrance is not None:
                agent.entrance.obey(message)
        elif op == "shutdown":
            agent.shut_down()
        else:
            concerned = agent.jobs.get(message[1])
            if concerned is not None and not concerned.ended:
                try:
                    concerned.obey(op, message)
                except Exception:  # noqa: BLE001 - one job's trouble must not end the others
                    traceback.print_exc()

    def _welcomed(self, stored: int, settings: dict[str, Any]) -> None:
        agent = self.agent
        if "now" in settings:
            agent.synchronise_near(settings["now"] - since_boot())
        else:
            agent.synchronise(settings["clock"])
        agent.uri = settings["uri"] or agent.local_uri()
        agent.jobid_path = settings["jobid_path"]
        agent.enclosing = settings["enclosing"]
        agent.kill_timeout = settings["kill_timeout"]
        agent.limit_signal = settings["limit_signal"]
        agent.pretend = settings["pretend"]
        agent.lease = settings["lease"]
        agent.memory_per_core = settings["memory_per_core"]
        agent.max_processes = settings["max_processes"]
        if settings["cgroup"] != agent.cgroups.parent:
            agent.cgroups = Cgroups(settings["cgroup"], lambda text: self.say(["log", "warning", text]))
        self._acknowledged(stored)
        self._welcome = True
        self._out.extend(data for _, data in self.retained)
        for job in agent.jobs.values():
            job.reconnected()

    def _acknowledged(self, seq: int) -> None:
        retained = self.retained
        while retained and retained[0][0] <= seq:
            self._retained_bytes -= len(retained.popleft()[1])
        if self.agent.paused and self._retained_bytes < MAX_RETAINED // 2:
            self.agent.set_paused(False)
