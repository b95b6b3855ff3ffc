"""Nodes are looked after between jobs, and serve again one by one; what fails is drained."""

import pytest

from .conftest import jobspec

CONFIG = """
[sched]
executor = "local"

[instance]
housekeeping = ["/bin/sh", "-c", "{command}"]
{more}
"""


@pytest.fixture
def configured(server, tmp_path):
    def start(command, more=""):
        path = tmp_path / "sched.toml"
        path.write_text(CONFIG.format(command=command, more=more))
        return server("--test-size", "2", "--cores", "1", "--config", str(path))

    return start


def test_a_node_that_is_ready_need_not_wait_for_another(configured, tmp_path):
    gate = tmp_path / "gate"
    slow = f"[ $FLUX_JOB_TMPDIR ] && if mkdir {tmp_path}/first; then while [ ! -e {gate} ]; do sleep 0.02; done; fi"
    one = configured(slow, "housekeeping-release-after = 0")
    both = one.submit(jobspec("true", nodes=2))
    assert one.result(both)["waitstatus"] == 0
    single = one.submit(jobspec("true", nodes=1))
    assert one.result(single)["waitstatus"] == 0  # on the node that is ready
    other = one.submit(jobspec("true", nodes=2))
    assert len(one.client.get("/v1/resources/status")["housekeeping"]) > 0
    gate.touch()
    assert one.result(other)["waitstatus"] == 0


def test_a_node_whose_housekeeping_fails_is_drained(configured):
    one = configured("exit 3")
    job = one.submit(jobspec("true", nodes=1))
    one.result(job)
    for event in one.client.stream("/v1/resources/eventlog", follow="true"):
        if event["name"] == "drain":
            break
    (table,) = one.client.get("/v1/resources/status")["drain"].values()
    assert table["reason"].startswith("housekeeping failed with status 768")
