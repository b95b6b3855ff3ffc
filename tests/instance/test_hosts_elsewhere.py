"""A server whose hosts are elsewhere, behind a command like ssh."""

import json
import os
import subprocess
import sys

from fluxplug.job import JobspecV1
from fluxplug.testing.executors import fake_ssh

from .conftest import FLUXPLUG, jobspec


def elsewhere(tmp_path, statedir):
    """Options of a server with the hosts n0 and n1. Their agents' folders begin with the name of the state directory, so that they are ended with it."""
    ssh = fake_ssh(tmp_path, ["n0", "n1"])
    for host in ("n0", "n1"):
        statedir.with_name(f"{statedir.name}-{host}").mkdir(mode=0o700)
    config = tmp_path / "sched.toml"
    config.write_text(
        f'[executor.local]\nconnect = ["{ssh}", "{{host}}"]\nagent-dir = "{statedir}-{{host}}"\ncontact-timeout = "2s"\n'
    )
    document = {
        "version": 1,
        "execution": {
            "R_lite": [{"rank": "0-1", "children": {"core": "0"}}],
            "nodelist": ["n[0-1]"],
            "starttime": 0,
            "expiration": 0,
        },
    }
    resources = tmp_path / "R.json"
    resources.write_text(json.dumps(document))
    return "--config", str(config), "--resources", str(resources)


def until_online(one, ranks):
    """Follow the log of resources until these have come."""
    missing = set(ranks)
    for event in one.client.stream("/v1/resources/eventlog", follow="true"):
        if event["name"] == "restart":
            missing = set(ranks)
        elif event["name"] == "online":
            missing -= {int(rank) for rank in event["context"]["idset"].replace("-", ",").split(",")}
        if not missing:
            return


def test_the_server_is_killed_and_finds_its_hosts_again(server, tmp_path):
    statedir = tmp_path / "state"
    one = server(*elsewhere(tmp_path, statedir), statedir=statedir)
    os.mkfifo(tmp_path / "gate")
    os.mkfifo(tmp_path / "ready")
    script = (
        f"echo rank $FLUX_TASK_RANK; test $FLUX_TASK_RANK = 0 || {{ echo > {tmp_path}/ready; cat {tmp_path}/gate; }}"
    )
    job = one.submit(jobspec("sh", "-c", script, nodes=2, slots=1))
    (tmp_path / "ready").read_text()
    before = one.client.get("/v1/resources/status")["online"]
    one.kill()
    (tmp_path / "gate").write_text("through\n")
    one.start()
    result = one.result(job)
    assert result["waitstatus"] == 0
    assert before == "0-1"
    data = [event["context"].get("data", "") for event in one.events(job, "guest.output") if event["name"] == "data"]
    assert sorted(filter(None, data)) == ["rank 0\n", "rank 1\n", "through\n"]
    assert one.names(job, "guest.exec.eventlog").count("shell.init") == 1
    until_online(one, [0, 1])
    one.end()
    assert [list((tmp_path / f"state-{host}").iterdir()) for host in ("n0", "n1")] == [[], []]


def test_why_a_host_is_down_is_told(server, tmp_path):
    statedir = tmp_path / "state"
    options = elsewhere(tmp_path, statedir)
    (tmp_path / "n1" / "down").touch()
    one = server(*options, statedir=statedir)
    until_online(one, [0])
    environment = {**os.environ, "FLUXPLUG_URI": one.uri}
    command = [*FLUXPLUG, "resource", "status", "-n", "-o", "{ranks} {status} {reason}"]
    reason = "ssh: connect to host n1 port 22: No route to host"
    # The first attempt may be under way.
    for _ in range(100):
        lines = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.splitlines()
        if "not reached yet" not in lines[1]:
            break
    assert [line.strip() for line in lines] == ["0 online", f"1 offline {reason}"]
    (tmp_path / "n1" / "down").unlink()
    until_online(one, [1])


ASK = """
import os
from fluxplug.client import Client
server = Client()
assert server.get("/v1")["statedir"] == os.environ["STATEDIR"]
jobid = server.post("/v1/jobs", {"jobspec": JOBSPEC})["id"]
assert server.get(f"/v1/jobs/{jobid}/result")["waitstatus"] == 0
data = (entry["context"].get("data", "") for entry in server.stream(f"/v1/jobs/{jobid}/guest.output", follow="true") if entry["name"] == "data")
print(sum(map(len, data)))
"""


def test_tasks_elsewhere_find_the_instance(server, tmp_path):
    statedir = tmp_path / "state"
    one = server(*elsewhere(tmp_path, statedir), statedir=statedir)
    inner = jobspec("sh", "-c", "yes | head -c 2000000")
    environment = {"PATH": os.environ["PATH"], "STATEDIR": str(statedir)}
    job = one.submit(jobspec(sys.executable, "-c", ASK.replace("JOBSPEC", repr(inner)), environment=environment))
    assert one.result(job)["waitstatus"] == 0, one.events(job, "guest.output")
    data = [event["context"].get("data", "") for event in one.events(job, "guest.output") if event["name"] == "data"]
    assert "".join(data) == "2000000\n"


INNER = """#!/bin/sh
exec PYTHON - <<'END'
from fluxplug.client import Client
inner = Client()
jobid = inner.post("/v1/jobs", {"jobspec": JOBSPEC})["id"]
print("status", inner.get(f"/v1/jobs/{jobid}/result")["waitstatus"])
print("".join(entry["context"].get("data", "") for entry in inner.stream(f"/v1/jobs/{jobid}/guest.output") if entry["name"] == "data"))
END
"""


def test_an_instance_within_a_job_reaches_the_other_hosts_of_the_job(server, tmp_path):
    statedir = tmp_path / "state"
    one = server(*elsewhere(tmp_path, statedir), statedir=statedir)
    inner = jobspec("sh", "-c", "echo task $FLUX_TASK_RANK in $FLUX_JOB_TMPDIR", nodes=2)
    script = INNER.replace("PYTHON", sys.executable).replace("JOBSPEC", repr(inner))
    spec = JobspecV1.from_batch_command(script, "script", num_slots=2, num_nodes=2)
    spec.cwd = str(tmp_path)
    spec.environment = inner["attributes"]["system"]["environment"]
    spec.setattr_shell_option("output.stdout.type", "kvs")
    job = one.submit(spec.jobspec)
    status = one.result(job)["waitstatus"]
    data = "".join(
        event["context"].get("data", "") for event in one.events(job, "guest.output") if event["name"] == "data"
    )
    assert status == 0, data
    assert "status 0" in data
    lines = dict(line.split(" in ") for line in data.splitlines() if line.startswith("task"))
    assert lines["task 0"].startswith(f"{statedir}-n0/")
    assert lines["task 1"].startswith(f"{statedir}-n1/")
    # Its agents have gone with it; the server's are there.
    assert [len(list((tmp_path / f"state-{host}").iterdir())) for host in ("n0", "n1")] == [1, 1]
