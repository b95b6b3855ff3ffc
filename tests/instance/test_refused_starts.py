"""A server that cannot start says why in one line, and ends with 2."""

import ctypes
import json
import os
import sqlite3
import subprocess
import sys

import pytest

from fluxplug.testing.executors import task_jobspec

START = [sys.executable, "-m", "fluxplug", "start", "--test-size", "1"]


def refused(statedir, *options, preexec=None):
    """The line that it said."""
    words = [*START, "--statedir", str(statedir), *options]
    done = subprocess.run(words, check=False, capture_output=True, text=True, timeout=60, preexec_fn=preexec)
    assert done.returncode == 2, (done.returncode, done.stderr)
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("fluxplug start: ")
    assert len(line) < 400
    return line


def test_a_second_server(server):
    one = server("--test-size", "1")
    line = refused(one.statedir)
    assert "another server" in line
    assert str(one.process.pid) in line
    assert one.client.get("/v1")["pid"] == one.process.pid


@pytest.fixture
def left(server):
    """A state directory that a server has left properly, with one job in it."""
    one = server("--test-size", "1")
    one.result(one.submit(task_jobspec("true")))
    one.end()
    return one.statedir


def test_a_store_of_a_later_version(left):
    with sqlite3.connect(left / "store.sqlite") as store:
        store.execute("PRAGMA user_version = 99")
    store.close()
    assert "version 99" in refused(left)


@pytest.mark.parametrize("content", [b"this is no database" * 1000, b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_file_that_is_no_store(left, content):
    (left / "store.sqlite").write_bytes(content)
    assert "store.sqlite" in refused(left)


@pytest.mark.parametrize("place", [100, 4096, 12288, -4096])
def test_a_store_with_a_damaged_page(left, place):
    """It is refused, or what is damaged is not needed; nothing worse."""
    path = left / "store.sqlite"
    data = bytearray(path.read_bytes())
    place %= len(data)
    data[place : place + 2000] = b"\xa5" * len(data[place : place + 2000])
    path.write_bytes(data)
    words = [*START, "--statedir", str(left), "true"]
    done = subprocess.run(words, check=False, capture_output=True, text=True, timeout=60)
    assert "Traceback" not in done.stderr
    assert done.returncode in {0, 2}
    if done.returncode:
        assert "store.sqlite" in done.stderr


@pytest.mark.parametrize("column", ["jobspec", "lines"])
def test_a_store_whose_rows_make_no_sense(server, column):
    one = server("--test-size", "1")
    one.submit(task_jobspec("true"), urgency=0)
    one.kill()
    with sqlite3.connect(one.statedir / "store.sqlite") as store:
        if column == "jobspec":
            store.execute("UPDATE jobs SET jobspec = ?", (b'{"version":',))
        else:
            store.execute(
                "UPDATE entries SET lines = ? WHERE log = 0", (json.dumps({"timestamp": 1}).encode() + b"\n",)
            )
    store.close()
    assert "store.sqlite" in refused(one.statedir)


def test_a_statedir_that_cannot_be(tmp_path):
    (tmp_path / "file").write_text("")
    assert "file" in refused(tmp_path / "file")
    assert "file" in refused(tmp_path / "file" / "below")
    assert "null" in refused("/dev/null/x")


def test_a_statedir_that_others_can_read(tmp_path):
    tmp_path.chmod(0o755)
    assert "chmod 700" in refused(tmp_path)


@pytest.mark.skipif(os.getuid() != 0, reason="needs root, to give a folder away")
def test_a_statedir_of_somebody_else(tmp_path):
    path = tmp_path / "state"
    path.mkdir(mode=0o700)
    os.chown(path, 65534, 65534)
    assert "another user" in refused(path)


def small_disk(path, size):
    """For the child alone, a tmpfs that is full. Where this is not permitted the child says so by its exit code."""

    def mount():
        libc = ctypes.CDLL(None)
        if (
            libc.unshare(0x20000)
            or libc.mount(b"none", b"/", None, 0x44000, None)
            or libc.mount(b"none", os.fsencode(path), b"tmpfs", 0, b"mode=700,size=%d" % size)
        ):
            os._exit(77)

    return mount


@pytest.mark.skipif(os.getuid() != 0, reason="needs root, to mount a small disk")
@pytest.mark.parametrize("size", [4096, 16384, 65536])
def test_a_full_disk(tmp_path, size):
    path = tmp_path / "disk"
    path.mkdir(mode=0o700)
    probe = subprocess.run(["true"], check=False, preexec_fn=small_disk(path, size))
    if probe.returncode == 77:
        pytest.skip("mounting is not permitted here")
    line = refused(path, preexec=small_disk(path, size))
    assert str(path) in line


@pytest.mark.skipif(os.getuid() != 0, reason="needs root, to mount a disk that is read-only")
def test_a_disk_that_cannot_be_written(left):
    def mount():
        libc = ctypes.CDLL(None)
        name = os.fsencode(left)
        if (
            libc.unshare(0x20000)
            or libc.mount(b"none", b"/", None, 0x44000, None)
            or libc.mount(name, name, None, 0x1000, None)
            or libc.mount(b"none", name, None, 0x1000 | 0x20 | 1, None)
        ):
            os._exit(77)

    probe = subprocess.run(["true"], check=False, preexec_fn=mount)
    if probe.returncode == 77:
        pytest.skip("mounting is not permitted here")
    assert str(left) in refused(left, preexec=mount)
