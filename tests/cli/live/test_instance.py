"""`fluxplug stats`, `config get`, `uri`, `exec`, `explain`, `events`, `top` and `shutdown`; and how fast commands start."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import subprocess
import sys
from pathlib import Path
from time import monotonic

import pytest

from fluxplug.client import Client
from fluxplug.job import JobspecV1

BIN = Path(sys.executable).parent
SLEEP = ("-S", "exec.test.run_duration=1000s")


def test_stats(pretend):
    lines = dict(line.split() for line in pretend("stats").lines)
    assert {"jobs.run", "passes", "store.bytes", "uptime"} <= lines.keys()
    assert "jobs" in json.loads(pretend("stats", "--json").out)
    assert "# TYPE fluxplug_jobs gauge" in pretend("stats", "--metrics").out


def test_config(pretend):
    assert pretend("config", "get", "sched.executor").out == "pretend\n"
    assert "sched" in json.loads(pretend("config", "get").out)
    assert pretend("config", "get", "sched.nope") == (1, "", "fluxplug config: sched.nope is not set\n")
    assert pretend("config", "get", "-d", "else", "nope").out == "else\n"
    assert pretend("config", "get", "-q", "nope") == (1, "", "")
    assert pretend("config", "get", "-t", "integer", "sched.executor").code == 1


def test_uri(pretend, pretended):
    assert pretend("uri").out == f"{pretended}\n"
    assert pretend("uri", "/").out == f"{pretended}\n"
    assert re.fullmatch(r"ssh://[^/]+/.*/local-0\n", pretend("uri", "--remote").out)
    assert pretend("uri", "..").code == 1
    one = pretend("submit", "--wait-event=start", *SLEEP, "true").out.strip()
    assert "there is no instance in the job" in pretend("uri", one).err
    environ = {"FLUXPLUG_URI": "local:///there"}
    waits = [sys.executable, "-c", "print('here', flush=True); input()"]
    with subprocess.Popen(waits, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"here\n"
        seen = pretend("uri", f"pid:{process.pid}")
        assert (seen.out, seen.err) == ("local:///there\n", "")
        process.communicate(b"\n")


def test_the_option_says_where(types, pretended):
    fluxplug = types("local:///nowhere")
    assert fluxplug("uri", f"--uri={pretended}").code == 0
    assert fluxplug("queue", f"--uri={pretended}", "status").code == 0
    assert fluxplug("queue", "status", f"--uri={pretended}").code == 0
    assert fluxplug("queue", "status").code == 1


def test_exec(fluxplug):
    seen = fluxplug("exec", "-l", "-r", "0-2", "sh", "-c", "echo hi; exit 3")
    assert seen.code == 3
    assert sorted(seen.lines) == ["0: hi", "1: hi", "2: hi"]
    assert seen.err == "fluxplug exec: task(s) exited with exit code 3\n"
    assert fluxplug("exec", "-q", "-x", "0-2", "false") == (1, "", "")
    assert fluxplug("exec", "-r", "9", "true").err == "fluxplug exec: no rank 9; there are 0-3\n"
    assert fluxplug("exec").code == 1


def test_explain(pretend):
    first = pretend("submit", "--wait-event=start", "-N4", "-t1h", *SLEEP, "true").out.strip()
    second = pretend("submit", "-N2", "-t2h", "true").out.strip()
    held = pretend("submit", "--urgency=hold", "true").out.strip()
    lines = pretend("explain", second).lines
    assert lines[0].startswith(f"{second}: job {second} needs ")
    assert lines[1] == "  place in queue: 1"
    assert re.fullmatch(r"  start estimate: .* \(in (1h|60m|59\.\d+m)\)", lines[3])
    table = {line.split()[0]: line for line in pretend("explain", "-n").lines}
    assert set(table) == {second, held}
    assert table[held].endswith("- held: its urgency is 0")
    assert json.loads(pretend("explain", "--json", held).out)["reason"] == "held"
    pretend("cancel", first)
    pretend("job", "status", first)
    assert pretend("explain", first).out == f"{first}: over: Canceled\n"
    assert pretend("explain", "1").code == 1


def test_events(pretend):
    one = pretend("submit", "--wait", "true").out.strip()
    lines = [line.split() for line in pretend("events").lines if line.split()[1] == one]
    assert [line[3] for line in lines] == (
        ["submit", "validate", "depend", "priority", "alloc", "start", "finish", "release", "free", "clean"]
    )
    resumed = pretend("events", "-f", "json", "--since", lines[-2][0]).lines
    assert json.loads(resumed[0])["event"]["name"] == "clean"
    assert [line.split()[1] for line in pretend("events", "--since", "8", one).lines] == ["free", "clean"]
    assert pretend("events", "--resources", one).code == 2


def test_events_as_they_come(process, fluxplug):
    one = process("events", "--new", "-f", "json")
    submitted = []
    for _ in range(50):  # until it listens
        submitted.append(fluxplug("submit", "true").out.strip())
        if select.select([one.stdout], [], [], 0.2)[0]:
            break
    assert json.loads(one.stdout.readline())["id"] in submitted


def test_top(pretend):
    pretend("submit", "--wait-event=start", "--job-name=runs", "-N4", "-t1h", *SLEEP, "true")
    pretend("submit", "--job-name=waits", "--urgency=hold", "true")
    seen = pretend("top", "--once")
    assert seen.code == 0
    assert re.search(r"nodes \[\|{40}\] 4/4", seen.out)
    assert re.search(r"runs +R .* node\[0-3\]", seen.out)
    assert re.search(r"waits +S .* held", seen.out)
    assert pretend("top").err == "fluxplug top: this is no terminal; --once prints one screen\n"
    assert pretend("top", "--once", "-q", "nope").code == 1


def test_top_on_a_terminal(real, clean_environment):
    pid, terminal = pty.fork()
    if pid == 0:
        environ = {**os.environ, "FLUXPLUG_URI": real, "TERM": "xterm"}
        os.execve(BIN / "fluxplug", ["fluxplug", "top"], environ)  # noqa: S606 - our own
    seen = b""
    end = monotonic() + 20
    try:
        while b"INFO" not in seen and monotonic() < end:
            if select.select([terminal], [], [], 0.5)[0]:
                seen += os.read(terminal, 65536)
        os.write(terminal, b"q")
        while select.select([terminal], [], [], 10)[0] and os.read(terminal, 65536):
            pass
    except OSError:  # it has closed the terminal
        pass
    finally:
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        os.close(terminal)
    assert (code, b"cores" in seen) == (0, True)


def test_shutdown(types, start, tmp_path):
    own = start(tmp_path, "--nodes", "1", "--executor", "pretend")
    uri = next(own)
    fluxplug = types(uri)
    assert fluxplug("shutdown", "-m", "done") == (0, "", "")
    assert fluxplug("jobs").code == 1
    with pytest.raises(StopIteration):
        next(own)


HEAVY = {
    "pluggy",
    "yaml",
    "attr",
    "attrs",
    "msgspec",
    "rich",
    "tomli",
    "starlette",
    "uvicorn",
    "asyncio",
    "inspect",
    "http.client",
}


@pytest.mark.parametrize(
    ("words", "most"), [("jobs", 95), ("job id 1", 70), ("job last", 85), ("submit true", 115), ("queue status", 80)]
)
def test_what_is_imported(words, most, pretended, clean_environment):
    """The time in which a command starts is that of its imports; it is to stay below 120 ms."""
    code = f"""if True:
        import sys
        before = set(sys.modules)
        from fluxplug.cli.main import main
        assert main({words.split()!r}) == 0
        new = set(sys.modules) - before
        print(len(new), *sorted(new & {HEAVY!r}), file=sys.stderr)
    """
    Client(pretended).post("/v1/jobs", {"jobspec": JobspecV1.from_command(["true"]).jobspec})  # for `job last`
    environ = {**os.environ, "FLUXPLUG_URI": pretended}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environ)
    count, *heavy = done.stderr.split()
    assert heavy == []
    assert int(count) <= most
