"""Connections of tasks to the instance from other hosts: who does not read, or does not take, stops the flow."""

from __future__ import annotations

import asyncio
import select
import socket
from contextlib import suppress
from types import SimpleNamespace

from fluxplug_exec_local import tunnel

from fluxplug.instance import unixsocket


class Pipe(asyncio.Transport):
    """A transport that does nothing."""

    def __init__(self):
        super().__init__()
        self.reading, self.written = True, []

    def pause_reading(self):
        self.reading = False

    def resume_reading(self):
        self.reading = True

    def is_closing(self):
        return False

    def write(self, data):
        self.written.append(data)


def test_a_task_that_does_not_read_stops_the_flow():
    said = []
    way = tunnel.Exit(SimpleNamespace(send=lambda *message: said.append(message)), "")
    one = way._connections[1] = tunnel._Outgoing(way, 1)
    pipe = Pipe()
    one.connection_made(pipe)
    one.data_received(b"x" * (tunnel.WINDOW - 1))
    assert pipe.reading
    one.data_received(b"xx")
    assert not pipe.reading
    way.obey(["taken", 1, 2])
    assert pipe.reading
    # The other way: what the server does not take is not said to be taken.
    said.clear()
    one.pause_writing()
    way.obey(["tunnel", 1, b"abc"])
    assert (pipe.written, said) == ([b"abc"], [])
    one.resume_writing()
    assert said == [("taken", 1, 3)]
    one.connection_lost(None)
    assert said[1:] == [("tunnel", 1, None)]
    way.obey(["tunnel", 1, b"late"])


def test_a_server_that_does_not_take_stops_a_task():
    said, watched = [], {}
    channel = SimpleNamespace(say=said.append, welcomed=True)
    agent = SimpleNamespace(
        channel=channel,
        watch=lambda fd, handler, events=select.EPOLLIN: watched.__setitem__(fd, (handler, events)),
        unwatch=lambda fd: watched.pop(fd, None),
    )
    entrance = tunnel.Entrance.__new__(tunnel.Entrance)
    entrance.agent, entrance.connections = agent, {}
    ours, task = socket.socketpair()
    ours.setblocking(False)
    with task:
        entrance.connections[1] = tunnel._Incoming(entrance, 1, ours)
        task.setblocking(False)
        sent = 0
        while watched:
            with suppress(BlockingIOError):
                sent += task.send(b"x" * 60000)
            watched[ours.fileno()][0](select.EPOLLIN)
        assert tunnel.WINDOW <= sum(len(message[2]) for message in said) <= sent
        entrance.obey(["taken", 1, tunnel.WINDOW])
        assert watched
        # What the task does not read waits, and is not said to be taken.
        said.clear()
        entrance.obey(["tunnel", 1, b"y" * 4_000_000])
        assert 0 < sum(message[2] for message in said if message[0] == "taken") < 4_000_000
        assert watched[ours.fileno()][1] & select.EPOLLOUT
        entrance.close_all()
        assert (watched, entrance.connections) == ({}, {})


def test_a_server_that_has_no_room_for_more_connections_refuses_them(tmp_path):
    said = []
    path = str(tmp_path / "local-0")
    with unixsocket.listen(path, backlog=0), unixsocket.connect(path):
        way = tunnel.Exit(SimpleNamespace(send=lambda *message: said.append(message)), path)
        way.obey(["open", 7])
    assert said == [("tunnel", 7, None)]
