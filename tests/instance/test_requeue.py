"""A host is lost with its agent: its jobs fail, and those that say so are submitted once more."""

import os
import signal
import subprocess

from .conftest import jobspec


def agent_of(server, rank):
    found = subprocess.run(
        ["pgrep", "-f", f"fluxplug_exec_local.agent.*{server.statedir}"], capture_output=True, text=True, check=False
    )
    for pid in map(int, found.stdout.split()):
        with open(f"/proc/{pid}/cmdline", encoding="utf-8") as file:  # noqa: PTH123
            words = file.read().split("\0")
        if str(rank) in words:
            return pid
    raise AssertionError(f"no agent of rank {rank}: {found.stdout}")


def test_a_lost_job_is_submitted_again_where_it_may_be(server):
    one = server("--test-size", "2", "--cores", "1")
    jobs = [one.submit(jobspec("sleep", "100", nodes=1, **more)) for more in ({"requeue": 2}, {})]
    for jobid in jobs:
        one.until(jobid, "start")
    ranks = {jobid: one.client.get(f"/v1/jobs/{jobid}")["job"]["ranks"] for jobid in jobs}
    for jobid in jobs:
        os.kill(agent_of(one, ranks[jobid]), signal.SIGKILL)
    for jobid in jobs:
        result = one.result(jobid)
        assert result["exception_type"] == "exec"
        assert result["exception_note"] == f"lost contact with agent of rank {ranks[jobid]}"
    memo = next(event["context"] for event in one.events(jobs[0]) if event["name"] == "memo")
    assert "memo" not in one.names(jobs[1])
    again = memo["requeue"]
    one.until(again, "start")
    assert one.client.get(f"/v1/jobs/{again}/jobspec")["attributes"]["system"]["requeue"] == 1
    one.client.post(f"/v1/jobs/{again}/raise", {})
    assert one.result(again)["exception_type"] == "cancel"
    assert one.client.get("/v1/stats")["jobs"]["total"] == 3
