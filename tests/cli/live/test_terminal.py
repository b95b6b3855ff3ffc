"""Jobs that somebody sits at, as `run`, `alloc` and `job attach` show them on a real terminal."""

from __future__ import annotations

import fcntl
import os
import select
import signal
import struct
import subprocess
import sys
import termios
from time import monotonic

import pytest

from fluxplug.cli.terminal import Escape, interactive_ranks
from fluxplug.client import Client
from fluxplug.errors import ApiError

from .conftest import BIN, serve

INTERACTIVE = ("-o", "pty.interactive")
LIMIT = 15


class Screen:
    """A terminal of so many rows and columns, and a command that has it."""

    def __init__(self, uri, folder, *words, rows=33, cols=101, **environ):
        self.ours, self.theirs = os.openpty()
        self.resize(rows, cols)
        self.modes = termios.tcgetattr(self.theirs)
        self.seen = b""
        path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
        self.process = subprocess.Popen(
            [BIN / "fluxplug", *words],
            stdin=self.theirs,
            stdout=self.theirs,
            stderr=self.theirs,
            env={**os.environ, "FLUXPLUG_URI": uri, "PATH": path, "FLUX_ATTACH_NONINTERACTIVE": "1", **environ},
            cwd=folder,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509 - there are no threads
        )

    def resize(self, rows, cols):
        fcntl.ioctl(self.ours, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))

    def types(self, text):
        os.write(self.ours, text.encode())

    def shows(self, text, times=1):
        """Read until a text has been seen so often; what came after it."""
        end = monotonic() + LIMIT
        while self.seen.count(text.encode()) < times:
            left = end - monotonic()
            assert left > 0, f"no {text!r} in {self.seen!r}"
            if select.select([self.ours], [], [], left)[0]:
                self.seen += os.read(self.ours, 65536)

    def code(self):
        """Read to the end; the exit code. The terminal is as it was before."""
        descriptor = os.pidfd_open(self.process.pid)
        try:
            while (ready := select.select([self.ours, descriptor], [], [], LIMIT)[0]) != [descriptor]:
                assert ready, self.seen
                self.seen += os.read(self.ours, 65536)
        finally:
            os.close(descriptor)
        code = self.process.wait(1)
        assert termios.tcgetattr(self.theirs) == self.modes
        return code

    @property
    def raw(self):
        return not termios.tcgetattr(self.theirs)[3] & (termios.ICANON | termios.ECHO | termios.ISIG)

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.ours)
        os.close(self.theirs)


@pytest.fixture
def screen(clean_environment, real, tmp_path):
    """Start `fluxplug` on a terminal of its own; what a test leaves is ended."""
    made = []

    def start(*words, uri=real, **options):
        one = Screen(uri, tmp_path, *words, **options)
        made.append(one)
        return one

    yield start
    for one in made:
        one.close()
    Client(real).post("/v1/jobs/raise", {"states": ["active"]})


def test_a_job_sees_a_terminal_like_ours(screen):
    one = screen("run", *INTERACTIVE, "sh", "-c", "stty size; test -t 0 && test -t 1 && test -t 2 && echo all; exit 3")
    assert one.code() == 3
    assert b"33 101\r\nall\r\n" in one.seen
    assert b"task(s) exited with exit code 3\r\n" in one.seen


WATCHES = """if True:
    import os, signal
    signal.signal(signal.SIGWINCH, lambda *_: print("window", *os.get_terminal_size()))
    signal.signal(signal.SIGINT, lambda *_: print("caught"))
    print("ready")
    try:
        while True:
            print("got", input())
    except EOFError:
        exit(4)
"""


def test_keys_and_windows_and_interrupts_are_the_jobs(screen):
    one = screen("run", *INTERACTIVE, sys.executable, "-c", WATCHES)
    one.shows("ready\r\n")
    assert one.raw
    one.types("abc\r")
    one.shows("abc\r\ngot abc\r\n")
    one.resize(44, 55)
    one.shows("window 55 44\r\n")
    one.types("\x03")
    one.shows("caught")
    assert one.process.poll() is None
    one.types("\x04")
    assert one.code() == 4
    assert b"ctrl-C" not in one.seen


def test_a_shell(screen):
    one = screen("run", *INTERACTIVE, "bash", "--norc", "-i", PS1="$ ")
    one.shows("$ ")
    one.types("echo $((40+2)); cat\r")
    one.shows("42\r\n")
    one.types("x\r")
    one.shows("x\r\nx\r\n")
    one.types("\x1a")
    one.shows("Stopped")
    one.types("echo $((40+3)); fg\r")
    one.shows("43\r\n")
    one.shows("cat\r\n", 3)
    one.types("y\r")
    one.shows("y\r\ny\r\n")
    one.types("\x03")
    one.shows("^C")
    one.types("exit 6\r")
    assert one.code() == 6


def test_a_job_that_is_cancelled_gives_the_terminal_back(screen, fluxplug):
    one = screen("run", *INTERACTIVE, "sh", "-c", "echo $FLUX_JOB_ID.; exec sleep 100")
    one.shows(".")
    assert one.raw
    fluxplug("cancel", one.seen.decode().split()[-1].rstrip("."))
    assert one.code() == 143
    # Our own lines begin at the beginning, raw or not.
    assert b"\r\r\n" not in one.seen
    assert b"type=cancel severity=0\r\n" in one.seen


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_is_the_jobs_and_the_terminal_comes_back(screen, signum):
    one = screen("run", *INTERACTIVE, "sh", "-c", "echo ready; exec sleep 100")
    one.shows("ready\r\n")
    one.process.send_signal(signum)
    assert one.code() == 128 + signum


def test_attaching_and_leaving(screen, fluxplug):
    jobid = fluxplug("submit", *INTERACTIVE, "sh", "-c", "while read line; do echo got $line; done").out.strip()
    one = screen("job", "attach", jobid)
    one.types("~x\r")  # also what was typed before it was heard
    one.shows("got ~x\r\n")
    assert one.raw
    one.types("~.")
    assert one.code() == 0
    assert b"detaching from " + jobid.encode() in one.seen
    again = screen("job", "attach", jobid, rows=20, cols=70)
    again.shows("got ~x\r\n")
    again.types("more\r")
    again.shows("got more\r\n")
    again.types("\x04")
    assert again.code() == 0


def test_a_stopped_attachment_gives_the_terminal_back_meanwhile(screen):
    one = screen("run", *INTERACTIVE, sys.executable, "-c", WATCHES)
    one.shows("ready\r\n")
    one.process.send_signal(signal.SIGTSTP)
    os.waitid(os.P_PID, one.process.pid, os.WSTOPPED)
    assert termios.tcgetattr(one.theirs) == one.modes
    one.resize(10, 20)
    one.process.send_signal(signal.SIGCONT)
    one.shows("window 20 10\r\n")
    assert one.raw
    one.types("\x04")
    assert one.code() == 4


def test_a_job_without_interest_leaves_the_terminal_alone(screen):
    one = screen("run", "-o", "pty", "sh", "-c", "echo ready; stty size; read line; echo got $line")
    one.shows("ready\r")
    assert termios.tcgetattr(one.theirs) == one.modes
    one.types("x\n")
    assert one.code() == 0
    assert b"24 80\r" in one.seen
    assert b"got x\r" in one.seen


def test_what_is_captured(fluxplug, tmp_path):
    seen = fluxplug("run", "-o", "pty", "-n2", "-l", "sh", "-c", "test -t 1 && echo on >&2")
    assert (seen.code, sorted(seen.out.splitlines()), seen.err) == (0, ["0: on", "1: on"], "")
    seen = fluxplug("run", "-o", "pty", "--output=out", "sh", "-c", "test -t 1 && echo on >&2")
    assert (tmp_path / "out").read_bytes() == b"on\r\n"


def test_windows_over_the_api(fluxplug, real):
    jobid = fluxplug("submit", *INTERACTIVE, "--wait-event=start", "sh", "-c", "read line; stty size").out.strip()
    client = Client(real)
    for size in ({"rows": 0, "cols": 80}, {"rows": 24}, {"rows": 24, "cols": 80, "x": 1}, [24, 80]):
        with pytest.raises(ApiError, match="winsize") as caught:
            client.post(f"/v1/jobs/{jobid}/input", {"winsize": size})
        assert caught.value.status == 400
    client.post(f"/v1/jobs/{jobid}/input", {"winsize": {"rows": 5, "cols": 6}, "data": "\n"})
    assert fluxplug("job", "attach", "--read-only", jobid).out == "\r\n5 6\r\n"
    assert client.get("/openapi.json")["components"]["schemas"]["Window"]["required"] == ["rows", "cols"]


def test_options_without_effect_are_named(fluxplug):
    seen = fluxplug("run", "-o", "stage-in", "-o", "nonsense=3", "true")
    assert seen.code == 0
    assert seen.err.splitlines() == [
        "flux-shell[0]:  WARN: shell option stage-in has no effect: attach files with --add-file",
        "flux-shell[0]:  WARN: unknown shell option nonsense",
    ]


def test_alloc(screen):
    one = screen("alloc", "-n1", "bash", "--norc", PS1="$ ")
    one.shows("$ ")
    one.types("echo $((40+2)); stty size; fluxplug resource list -no '{ncores}'\r")
    one.shows("42\r\n33 101\r\n1\r\n")
    one.types("sh -c 'echo $((40+3)); exec sleep 100'\r")
    one.shows("43\r\n")
    one.types("\x03")
    one.types("exit 7\r")
    assert one.code() == 7


def test_alloc_in_the_background_starts_no_shell(fluxplug, types, real):
    jobid = fluxplug("alloc", "--bg", "-n1").out.strip()
    inner = types(fluxplug("uri", "--local", jobid).out.strip())
    assert inner("run", "echo", "inside").out == "inside\n"
    assert inner("shutdown").code == 0
    assert types(real)("job", "attach", jobid).out.startswith("local://")


def test_top_of_an_instance_within_a_job(screen, fluxplug, types):
    outer = fluxplug("alloc", "--bg", "-n2", "--job-name=outer").out.strip()
    inner = types(fluxplug("uri", "--local", outer).out.strip())
    inner("submit", "--wait-event=start", "--job-name=within", "sleep", "100")
    one = screen("top", TERM="xterm")
    one.shows("outer")
    one.types("l")
    one.shows("choose a job with j and k")
    one.types("j\r")
    one.shows("within")
    one.shows(f"in {outer}")
    one.types("\x1b[B\x1b[C")
    one.shows("runs no instance")
    one.types("h")
    one.shows("INFO", 1 + one.seen.count(b"INFO"))
    one.types("l")
    one.shows(f"in {outer}", 1 + one.seen.count(f"in {outer}".encode()))
    assert inner("shutdown").code == 0  # and so the one around it is back
    one.shows(" 0 running")
    one.types("q")
    assert one.code() == 0
    assert inner("top", "--once", "1/2").code == 1


def test_an_interrupt_in_an_instance_is_its_programs(screen):
    code = "import time\ntry: print('ready'); time.sleep(100)\nexcept KeyboardInterrupt: print('caught'); input(); print('over')"
    one = screen("alloc", "-n1", sys.executable, "-c", code)
    one.shows("ready\r\n")
    one.types("\x03")
    one.shows("caught")
    one.types("\r")
    assert one.code() == 0
    assert b"over" in one.seen


def test_it_goes_on_with_the_next_server(screen, tmp_path):
    folder = tmp_path / "server"
    folder.mkdir()
    first = _start(folder)
    try:
        uri = first.stdout.readline().strip()
        one = screen("run", *INTERACTIVE, "sh", "-c", "echo ready; while read line; do echo got $line; done", uri=uri)
        one.shows("ready\r\n")
        one.types("one\r")
        one.shows("got one")
        first.kill()
        first.wait()
        one.types("two\r")
        for _ in serve(folder):
            one.shows("got two")
            one.types("three\r")
            one.shows("got three")
            assert one.raw
            one.types("\x04")
            assert one.code() == 0
        assert one.seen.count(b"got two") == 1
    finally:
        first.kill()
        first.wait()
        first.stdout.close()


def test_input_from_a_pipe_goes_on_with_the_next_server(tmp_path):
    folder = tmp_path / "server"
    folder.mkdir()
    first = _start(folder)
    try:
        environ = {**os.environ, "FLUXPLUG_URI": first.stdout.readline().strip(), "PATH": f"{BIN}:{os.environ['PATH']}"}
        words = [BIN / "fluxplug", "run", "cat"]
        with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environ, bufsize=0) as one:
            one.stdin.write(b"one\n")
            assert one.stdout.read(4) == b"one\n"
            first.kill()
            first.wait()
            one.stdin.write(b"two\n")
            for _ in serve(folder):
                assert one.stdout.read(4) == b"two\n"
                one.stdin.close()
                assert one.wait(20) == 0
    finally:
        first.kill()
        first.wait()
        first.stdout.close()


def test_the_end_of_the_instance_gives_the_terminal_back(screen, start, tmp_path):
    folder = tmp_path / "server"
    folder.mkdir()
    for uri in start(folder):
        one = screen("run", *INTERACTIVE, "sh", "-c", "echo ready; exec sleep 100", uri=uri)
        one.shows("ready\r\n")
        assert one.raw
        Client(uri).post("/v1/shutdown", {})
        assert one.code() != 0


def _start(folder):
    words = [BIN / "fluxplug", "start", "--statedir", str(folder / "state")]
    environ = {name: value for name, value in os.environ.items() if not name.startswith("FLUX")}
    with (folder / "log").open("w") as log:
        return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=log, text=True, env=environ, cwd=folder)


@pytest.mark.parametrize(
    ("typed", "handed_on", "left"),
    [
        (["ls\r"], "ls\r", False),
        (["~."], "", True),
        (["~", "."], "", True),
        (["ls\r~", ".more"], "ls\r", True),
        (["~~."], "~.", False),
        (["~a~."], "~a~.", False),
        (["a~."], "a~.", False),
        (["~\r~."], "~\r", True),
        (["~", "~", "~", "~"], "~~~", False),
    ],
)
def test_the_way_out(typed, handed_on, left):
    escape = Escape()
    found = b""
    for text in typed:
        data, leave = escape.feed(text.encode())
        found += data
        if leave:
            break
    assert (found.decode(), leave) == (handed_on, left)


@pytest.mark.parametrize(
    ("ranks", "first"), [(None, "0"), ("all", "0"), ("1,3", "1"), (2, "2"), ("", "0"), ("[]", "0"), ("x", "")]
)
def test_who_sits_where(ranks, first):
    given = {"interactive": 1, **({} if ranks is None else {"ranks": ranks})}
    jobspec = {"attributes": {"system": {"shell": {"options": {"pty": given}}}}}
    assert interactive_ranks(jobspec) == first
