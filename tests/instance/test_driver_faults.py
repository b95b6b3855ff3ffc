"""What chaos has found in the core loop, each with the least that shows it."""

import os
import time
from pathlib import Path

from fluxplug.testing.executors import task_jobspec


def cpu_seconds(pid):
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def wide(*command, **system):
    """A jobspec of a job that leaves no room for another."""
    made = task_jobspec(*command, **system)
    made["resources"][0]["with"][0]["count"] = 2
    return made


def test_a_promise_comes_due_without_any_event(server):
    """The job before it has outstayed its limit: nothing happens at that instant, and the server must not go round and round."""
    one = server("--nodes", "1", "--cores", "2", "--executor", "local")
    first = one.submit(wide("/bin/sh", "-c", "trap '' ALRM; sleep 3 & wait; wait", duration=1.0))
    second = one.submit(wide("/bin/true", duration=1.0))
    one.until(first, "start")
    busy = cpu_seconds(one.process.pid)
    for _ in range(15):
        one.client.get("/v1", within=5)
        time.sleep(0.1)
    assert cpu_seconds(one.process.pid) - busy < 1
    assert one.result(second)["result"] == 1
