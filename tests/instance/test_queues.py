"""Queues of a live instance: virtual ones, limits, access."""

import os
import pwd

import pytest

from fluxplug.errors import ApiError

from .conftest import jobspec

CONFIG = """
[sched]
executor = "pretend"

[policy.jobspec.defaults.system]
queue = "batch"

[queues.batch]

[queues.short]
parent = "batch"
policy.limits.duration = "1h"

[queues.others]
policy.access.allow-user = ["somebody-else"]
"""


@pytest.fixture
def one(server, tmp_path):
    path = tmp_path / "sched.toml"
    path.write_text(CONFIG)
    return server("--config", str(path), "--nodes", "1", "--cores", "2")


def test_a_virtual_queue_is_stopped_by_itself_and_with_its_parent(one):
    stop = {"queue": "short", "reason": "later"}
    assert [queue["started"] for queue in one.client.post("/v1/queues/stop", stop)["queues"]] == [False]
    waiting = one.submit(jobspec("true", queue="short", duration=60))
    assert one.result(one.submit(jobspec("true", queue="batch")))["waitstatus"] == 0
    assert one.client.get(f"/v1/jobs/{waiting}/explain")["reason"] == "stopped"
    one.kill()
    one.start()
    assert one.result(one.submit(jobspec("true")))["waitstatus"] == 0
    assert one.client.get(f"/v1/jobs/{waiting}/explain")["reason"] == "stopped"
    one.client.post("/v1/queues/stop", {"queue": "batch"})
    one.client.post("/v1/queues/start", {"queue": "short"})
    shown = {queue["name"]: queue for queue in one.client.get("/v1/queues")["queues"]}
    assert (shown["short"]["started"], shown["short"]["blocked"], shown["short"]["parent"]) == (
        False,
        "parent",
        "batch",
    )
    one.client.post("/v1/queues/start", {"queue": "batch"})
    assert one.result(waiting)["waitstatus"] == 0
    assert one.client.get(f"/v1/jobs/{waiting}")["job"]["queue"] == "short"


def test_what_a_queue_does_not_take(one):
    for system, text in (
        ({"queue": "short", "duration": 7200}, "requested duration (2h) exceeds policy limit of 1h for queue short"),
        ({"queue": "none"}, "Invalid queue 'none' specified"),
    ):
        with pytest.raises(ApiError) as caught:
            one.submit(jobspec("true", **system))
        assert caught.value.strerror == text
    if pwd.getpwuid(os.getuid()).pw_name != "somebody-else":
        with pytest.raises(ApiError, match="others"):
            one.submit(jobspec("true", queue="others"))
    with pytest.raises(ApiError, match="Use --all"):
        one.client.post("/v1/queues/stop", {})
