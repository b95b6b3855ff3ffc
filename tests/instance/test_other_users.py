"""Another user can neither read, submit nor connect; without the token nobody can use the loopback port."""

import http.client
import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from fluxplug.client import Client
from fluxplug.errors import ApiError, ConnectionFailedError

NOBODY = 65534
TRY = """
import os, socket, sys
os.setgroups([]); os.setgid({uid}); os.setuid({uid})
for path in {paths!r}:
    try:
        open(path, "rb").read()
        print("read", path)
    except OSError as error:
        print(type(error).__name__)
client = socket.socket(socket.AF_UNIX)
client.settimeout(10)
try:
    client.connect({socket!r})
    client.sendall(b"POST /v1/jobs HTTP/1.1\\r\\nHost: x\\r\\nContent-Length: 2\\r\\n\\r\\n{{}}")
    print("answer", client.recv(100))
except OSError as error:
    print(type(error).__name__)
"""


def as_nobody(*paths, address):
    script = TRY.format(uid=NOBODY, paths=[str(path) for path in paths], socket=str(address))
    done = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True, cwd="/", timeout=60
    )
    return done.stdout.splitlines()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_modes(server):
    one = server("--test-size", "1")
    assert stat.S_IMODE(one.statedir.stat().st_mode) == 0o700
    assert stat.S_IMODE((one.statedir / "local-0").stat().st_mode) == 0o600
    for path in one.statedir.rglob("*"):
        assert not stat.S_IMODE(path.lstat().st_mode) & 0o077 or path.is_dir() or path.is_symlink(), path


@pytest.mark.skipif(os.getuid() != 0, reason="needs root, to become another user")
def test_another_user_is_kept_out(server):
    one = server("--test-size", "1")
    paths = [one.statedir / "store.sqlite", one.statedir / "lock", one.statedir / "agents" / "0.sock"]
    told = as_nobody(*paths, address=one.statedir / "local-0")
    assert told == ["PermissionError"] * 4


@pytest.mark.skipif(os.getuid() != 0, reason="needs root, to become another user")
@pytest.mark.parametrize("name", ["local-0", "agents/0.sock"])
def test_the_uid_alone_keeps_another_user_out(server, tmp_path, name):
    """Somebody has opened every folder and the socket: who connects is asked nevertheless."""
    one = server("--test-size", "1")
    path = one.statedir / name
    opened = [path, *path.parents]
    before = {one: one.stat().st_mode for one in opened}
    try:
        for each in opened:
            each.chmod(before[each] | 0o777 if each == path else before[each] | 0o055)
        told = as_nobody(address=path)
    finally:
        for each, mode in before.items():
            each.chmod(stat.S_IMODE(mode))
    assert len(told) == 1
    assert told[0] in {"ConnectionResetError", "BrokenPipeError", "answer b''"}, told
    assert one.client.get("/v1")["api"] == 1


def test_the_loopback_port_needs_the_token(server):
    port = free_port()
    one = server("--test-size", "1", "--listen", f"127.0.0.1:{port}")
    token = (one.statedir / "token").read_text().strip()
    assert stat.S_IMODE((one.statedir / "token").stat().st_mode) == 0o600
    uri = f"http://127.0.0.1:{port}"
    for wrong in ("x", token[:-1], token + "x"):
        with pytest.raises(ApiError) as refused:
            Client(uri, token=wrong).get("/v1")
        assert refused.value.status == 401
    for header in ({}, {"Authorization": token}, {"Authorization": "Bearer "}, {"Authorization": "Bearer \xff"}):
        for method, path in (
            ("GET", "/v1"),
            ("POST", "/v1/jobs"),
            ("GET", "/v1/events"),
            ("GET", "/metrics"),
            ("GET", "/nonsense"),
        ):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            connection.request(method, path, headers=header)
            assert connection.getresponse().status == 401
            connection.close()
    assert Client(uri, token=token).get("/v1")["api"] == 1


def test_only_loopback_is_listened_on(tmp_path):
    words = [sys.executable, "-m", "fluxplug", "start", "--listen", "0.0.0.0:0", "true"]
    done = subprocess.run(words, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "127.0.0.1" in done.stderr


def test_nobody_is_there(tmp_path):
    with pytest.raises(ConnectionFailedError):
        Client(f"local://{Path(tmp_path)}/none").get("/v1")
