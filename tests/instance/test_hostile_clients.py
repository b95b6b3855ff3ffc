"""Clients that send garbage, too much, too slowly, or do not read: the server answers the next one, and grows no fatter."""

import errno
import json
import os
import random
import socket
import time
from pathlib import Path

import pytest

from fluxplug.errors import ApiError
from fluxplug.testing.executors import task_jobspec

ASK = b"GET /v1 HTTP/1.1\r\nHost: x\r\n\r\n"
SUBMIT = b"POST /v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s"


@pytest.fixture
def calm(server, tmp_path):
    """A server that runs nothing, and whose log must hold no mistake of ours in the end."""
    config = tmp_path / "sched.toml"
    config.write_text(
        '[sched]\nexecutor = "pretend"\n[instance]\nmax-body = 1000000\n[resource]\nnodes = 4\ncores = 4\n'
    )
    one = server("--config", str(config))
    one.socket = f"{one.statedir}/local-0"
    yield one
    assert one.process.poll() is None
    assert one.client.get("/v1", within=5)["api"] == 1
    log = one.statedir / "log"
    assert not log.exists() or "Traceback" not in log.read_text()
    assert not log.exists() or '"error"' not in log.read_text(), log.read_text()


def memory(server):
    return int(Path(f"/proc/{server.process.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def open_files(server):
    return len(list(Path(f"/proc/{server.process.pid}/fd").iterdir()))


def exchange(path, data, timeout=5.0, *, vanish=False):
    """What comes back for some bytes: until the end, or until nothing comes any more."""
    with socket.socket(socket.AF_UNIX) as raw:
        raw.settimeout(timeout)
        raw.connect(path)
        try:
            raw.sendall(data)
            if vanish:
                return b""
            raw.shutdown(socket.SHUT_WR)
            parts = []
            while part := raw.recv(65536):
                parts.append(part)
            return b"".join(parts)
        except (BrokenPipeError, ConnectionResetError):
            return b""
        except TimeoutError:
            return b"".join(parts)


def mutated(chance):
    """Bytes that look like requests more or less."""
    spec = json.dumps({"jobspec": task_jobspec("true")}).encode()
    seeds = [ASK, SUBMIT % (len(spec), spec), b"GET /v1/events?follow=false HTTP/1.1\r\nHost: x\r\n\r\n", ASK * 5, SUBMIT % (len(spec), spec) * 3,
             b'POST /v1/jobs HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"job\r\n0\r\n\r\n',
             b"GET / HTTP/1.0\r\n\r\n", b"GET /v1 HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
             b"POST /v1/jobs HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n{}"]  # fmt: skip
    data = bytearray(chance.choice(seeds))
    for _ in range(chance.randrange(6)):
        place = chance.randrange(len(data) + 1)
        kind = chance.randrange(5)
        if kind == 0:
            data[place:place] = chance.randbytes(chance.randrange(1, 20))
        elif kind == 1:
            del data[place : place + chance.randrange(1, 30)]
        elif kind == 2 and place < len(data):
            data[place] = chance.randrange(256)
        elif kind == 3:
            data += chance.choice(seeds)[:place]
        else:
            data[place:place] = chance.choice(
                (b"\r\n", b"\0", b"%", b"/../", b"{" * 50, b"99999999999999999999", b"\xff" * 9)
            )
    return bytes(data)


def test_mutated_requests(calm):
    chance = random.Random(7)
    for number in range(600):
        data = mutated(chance)
        back = exchange(calm.socket, data, 0.5, vanish=number % 3 == 0)
        assert not back.startswith(b"HTTP/1.1 5") or back.startswith(b"HTTP/1.1 503"), (data, back)
        if number % 50 == 0:
            assert exchange(calm.socket, ASK).startswith(b"HTTP/1.1 200")


def test_heads_without_end_are_refused(calm):
    before = memory(calm)
    for part in (b"A: " + b"x" * 1000 + b"\r\n", b"x" * 1000, b"\r\n" * 500):
        with socket.socket(socket.AF_UNIX) as raw:
            raw.settimeout(5)
            raw.connect(calm.socket)
            raw.sendall(b"GET /v1 HTTP/1.1\r\n" if part[0:1] != b"\r" else b"")
            with pytest.raises((BrokenPipeError, ConnectionResetError)):
                raw.sendall(part * 50_000)
    assert memory(calm) - before < 20e6


def test_bodies_are_bounded(calm):
    before = memory(calm)
    answer = exchange(
        calm.socket, b"POST /v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n" + b"[" * 100_000
    )
    assert answer.startswith(b"HTTP/1.1 413")
    chunks = b"40000\r\n" + b" " * 0x40000 + b"\r\n"
    answer = exchange(
        calm.socket, b"POST /v1/jobs HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks * 6
    )
    assert answer.startswith(b"HTTP/1.1 413")
    # Many long ones at a time, none of them whole.
    held = []
    try:
        for _ in range(12):
            raw = socket.socket(socket.AF_UNIX)
            held.append(raw)
            raw.settimeout(5)
            raw.connect(calm.socket)
            raw.sendall(SUBMIT % (1_000_000, b" " * 900_000))
        assert memory(calm) - before < 40e6
        assert exchange(calm.socket, ASK).startswith(b"HTTP/1.1 200")
    finally:
        for raw in held:
            raw.close()


@pytest.mark.parametrize("depth", [90, 150, 5_000, 200_000])
def test_depth_is_bounded(calm, depth):
    deep = json.loads("[" * min(depth, 900) + "]" * min(depth, 900))
    if depth <= 900:
        spec = task_jobspec("true", options={"x": deep})
        if depth > 100:
            with pytest.raises(ApiError, match="levels deep"):
                calm.submit(spec)
        else:
            calm.submit(spec)
    bodies = (b'{"jobspec":' + b'{"a":' * depth + b"1" + b"}" * depth + b"}", b'{"constraint":{"and":' + b"[" * depth + b"]" * depth + b"}}")  # fmt: skip
    for path, body in zip((b"/v1/jobs", b"/v1/jobs/list"), bodies, strict=True):
        back = exchange(
            calm.socket, b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (path, len(body), body)
        )
        assert back.startswith((b"HTTP/1.1 400", b"HTTP/1.1 403", b"HTTP/1.1 413")), back[:300]


def test_clients_that_vanish_leave_nothing(calm):
    held = calm.submit(task_jobspec("true"), urgency=0)
    before = open_files(calm)
    paths = (b"/v1/events?follow=true", b"/v1/jobs/%s/result" % held.encode(), b"/v1/jobs/%s/eventlog?follow=true" % held.encode(), b"/v1/resources/eventlog?follow=true")  # fmt: skip
    for path in paths:
        for _ in range(25):
            exchange(
                calm.socket,
                b"GET " + path.replace("ƒ".encode(), b"%C6%92") + b" HTTP/1.1\r\nHost: x\r\n\r\n",
                vanish=True,
            )
    until = time.monotonic() + 10
    while open_files(calm) > before + 2 and time.monotonic() < until:
        time.sleep(0.1)
    assert open_files(calm) <= before + 2
    assert calm.client.get("/v1", within=5)


def test_who_does_not_read_holds_nobody_up(calm):
    before = None
    readers = []
    try:
        for _ in range(5):
            raw = socket.socket(socket.AF_UNIX)
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            raw.connect(calm.socket)
            raw.sendall(b"GET /v1/events?follow=true HTTP/1.1\r\nHost: x\r\n\r\n")
            readers.append(raw)
        spec = task_jobspec("true")
        calm.client.post("/v1/jobs", {"jobs": [{"jobspec": spec}] * 500})
        before = memory(calm)
        slowest = 0.0
        for _ in range(3):
            calm.client.post("/v1/jobs", {"jobs": [{"jobspec": spec}] * 500})
            for _ in range(10):
                began = time.monotonic()
                calm.client.get("/v1", within=5)
                slowest = max(slowest, time.monotonic() - began)
        until = time.monotonic() + 60
        while calm.client.get("/v1/stats")["jobs"]["inactive"] < 2000:
            assert time.monotonic() < until
            time.sleep(0.1)
        assert slowest < 2
        assert memory(calm) - before < 40e6
    finally:
        for raw in readers:
            raw.close()


def outcome(client):
    try:
        client.get("/v1")
    except ApiError as error:
        return error
    return None


def test_max_rate(server, tmp_path):
    config = tmp_path / "sched.toml"
    config.write_text('[sched]\nexecutor = "pretend"\n[instance]\nmax-rate = 20.0\n[resource]\nnodes = 1\n')
    one = server("--config", str(config))
    refused = [error for error in (outcome(one.client) for _ in range(60)) if error is not None]
    assert {(error.status, error.errno) for error in refused} == {(429, errno.EUSERS)}
    assert 20 <= len(refused) <= 40
    time.sleep(0.2)
    one.client.get("/v1")
