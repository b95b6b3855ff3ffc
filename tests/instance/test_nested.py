"""Instances within jobs: what `batch` and `alloc` submit."""

import json
import sys

from fluxplug.job import JobspecV1

from .conftest import jobspec

INNER = """#!/bin/sh
exec PYTHON - <<'END'
import os
from fluxplug.client import Client
inner = Client()
about = inner.get("/v1")
print("size", about["size"], "within", about["jobid"] == os.environ["FLUX_ENCLOSING_ID"], "FLUX_JOB_ID" in os.environ)
jobid = inner.post("/v1/jobs", {"jobspec": %s})["id"]
print("status", inner.get(f"/v1/jobs/{jobid}/result")["waitstatus"])
print("".join(entry["context"].get("data", "") for entry in inner.stream(f"/v1/jobs/{jobid}/guest.output") if entry["name"] == "data"))
raise SystemExit(5)
END
"""


def test_a_batch_script_has_an_instance_on_the_resources_of_its_job(server, tmp_path):
    one = server("--test-size", "3", "--cores", "2")
    inner = jobspec(
        "sh",
        "-c",
        "echo task $FLUX_TASK_RANK of $FLUX_JOB_SIZE at depth $(echo $FLUX_JOB_ID_PATH | tr -cd / | wc -c)",
        nodes=2,
    )
    script = INNER.replace("PYTHON", sys.executable) % json.dumps(inner)
    spec = JobspecV1.from_batch_command(script, "script", num_slots=2, num_nodes=2)
    spec.cwd = str(tmp_path)
    spec.environment = inner["attributes"]["system"]["environment"]
    spec.setattr_shell_option("output.stdout.type", "kvs")
    jobid = one.submit(spec.jobspec)
    assert one.result(jobid)["waitstatus"] == 5 << 8
    text = "".join(
        event["context"].get("data", "") for event in one.events(jobid, "guest.output") if event["name"] == "data"
    )
    assert "size 2 within True False" in text
    assert "status 0" in text
    assert {"task 0 of 2 at depth 2", "task 1 of 2 at depth 2"} <= set(text.splitlines())
    memo = next(event for event in one.events(jobid) if event["name"] == "memo")
    assert memo["context"]["uri"].startswith("local://")
    assert one.client.get(f"/v1/jobs/{jobid}")["job"]["annotations"]["user"]["uri"] == memo["context"]["uri"]
