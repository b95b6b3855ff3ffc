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


MOVING = """
[sched]
executor = "pretend"
priority = "multifactor"

[priority.multifactor]
weight-queue = 1000
queue-factors = {big = 1.0}
weight-age = 0
weight-size = 0
weight-fairshare = 0

[resource]
nodes = 3
cores = 2
properties = {big = "0-1", small = "2"}

[queues.big]
requires = ["big"]
policy.limits.duration = "2h"

[queues.small]
requires = ["small"]
policy.limits.duration = "1h"
policy.limits.job-size.max.nnodes = 1

[queues.any]

[queues.brief]
policy.limits.duration = "1h"
policy.jobspec.defaults.system.duration = "30m"

[queues.later]
parent = "any"

[queues.others]
policy.access.allow-user = ["somebody-else"]
"""


@pytest.fixture
def moving(server, tmp_path):
    path = tmp_path / "sched.toml"
    path.write_text(MOVING)
    return server("--config", str(path))


def move(one, jobid, queue, **more):
    updates = {"attributes.system.queue": queue, **{f"attributes.system.{key}": value for key, value in more.items()}}
    return one.client.post(f"/v1/jobs/{jobid}/update", {"updates": updates})["updates"]


def constraints(one, jobid):
    return one.client.get(f"/v1/jobs/{jobid}/jobspec")["attributes"]["system"].get("constraints")


def test_a_pending_job_goes_to_another_queue(moving):
    one = moving
    blocker = one.submit(jobspec("true", queue="small", nodes=1, cores=2, duration=600), urgency=0)
    jobid = one.submit(jobspec("true", queue="big", nodes=1, duration=60), urgency=0)
    assert constraints(one, jobid) == {"properties": ["big"]}
    before = one.client.get(f"/v1/jobs/{jobid}")["job"]
    assert move(one, jobid, "small", duration="30m") == {
        "attributes.system.queue": "small",
        "attributes.system.duration": 1800.0,
        "attributes.system.constraints": {"properties": ["small"]},
    }
    after = one.client.get(f"/v1/jobs/{jobid}")["job"]
    assert (after["queue"], after["duration"], after["t_submit"]) == ("small", 1800.0, before["t_submit"])
    assert constraints(one, jobid) == {"properties": ["small"]}
    events = one.events(jobid)
    assert [event["name"] for event in events][-2:] == ["jobspec-update", "priority"]
    assert events[-2]["context"]["attributes.system.queue"] == "small"
    assert one.client.get(f"/v1/jobs/{jobid}/explain")["queue"] == "small"
    counts = {queue["name"]: queue["pending"] for queue in one.client.get("/v1/queues")["queues"]}
    assert (counts["big"], counts["small"]) == (0, 2)
    one.client.post(f"/v1/jobs/{blocker}/raise", {})
    one.kill()
    one.start()
    assert one.client.get(f"/v1/jobs/{jobid}")["job"]["queue"] == "small"
    one.client.post(f"/v1/jobs/{jobid}/urgency", {"urgency": 16})
    assert one.result(jobid)["waitstatus"] == 0
    assert one.client.get(f"/v1/jobs/{jobid}")["job"]["ranks"] == "2"
    assert one.client.get("/v1/stats", queue="small")["jobs"]["successful"] == 1


def test_a_job_that_asks_for_something_itself_goes_on_asking(moving):
    jobid = moving.submit(jobspec("true", queue="big", nodes=1, duration=60, constraints={"ranks": ["0-2"]}), urgency=0)
    assert constraints(moving, jobid) == {"and": [{"ranks": ["0-2"]}, {"properties": ["big"]}]}
    move(moving, jobid, "any")
    assert constraints(moving, jobid) == {"ranks": ["0-2"]}
    move(moving, jobid, "big")
    plain = moving.submit(jobspec("true", queue="big", duration=60), urgency=0)
    move(moving, plain, "any")
    assert constraints(moving, plain) == {}
    moving.client.post(f"/v1/jobs/{plain}/urgency", {"urgency": 16})
    assert moving.result(plain)["waitstatus"] == 0


def test_the_priority_is_that_of_the_new_queue(moving):
    moving.client.post("/v1/queues/stop", {"all": True})
    jobid = moving.submit(jobspec("true", queue="any"))
    priorities = [moving.client.get(f"/v1/jobs/{jobid}")["job"]["priority"]]
    move(moving, jobid, "big", duration=60)
    priorities.append(moving.client.get(f"/v1/jobs/{jobid}")["job"]["priority"])
    assert priorities[1] >= priorities[0] + 1000


def test_a_stopped_virtual_queue_holds_who_comes_and_lets_go_who_leaves(moving):
    moving.client.post("/v1/queues/stop", {"queue": "later"})
    held = moving.submit(jobspec("true", queue="any"), urgency=0)
    waiting = moving.submit(jobspec("true", queue="later"))
    move(moving, held, "later")
    moving.client.post(f"/v1/jobs/{held}/urgency", {"urgency": 16})
    assert moving.client.get(f"/v1/jobs/{held}/explain")["reason"] == "stopped"
    move(moving, waiting, "any")
    assert moving.result(waiting)["waitstatus"] == 0
    moving.client.post("/v1/queues/start", {"queue": "later"})
    assert moving.result(held)["waitstatus"] == 0


def test_what_another_queue_does_not_take(moving):
    one = moving
    jobid = one.submit(jobspec("true", queue="big", nodes=2, duration=7200), urgency=0)
    one.client.post("/v1/queues/disable", {"queue": "any", "reason": "full"})
    known = one.client.get(f"/v1/jobs/{jobid}/jobspec"), one.names(jobid)
    for queue, more, text in (
        ("small", {}, r"requested duration \(2h\) exceeds policy limit of 1h for queue small"),
        ("small", {"duration": 60}, r"requested nnodes \(2\) exceeds policy limit of 1 for queue small"),
        ("none", {}, "Invalid queue 'none' specified"),
        ("any", {}, "job submission to any is disabled: full"),
        ("small", {"job.name": "x"}, "update of attributes.system.job.name not supported"),
        (7, {}, "queue: expected a name"),
        ("later", {"constraints": {}}, "constraints not supported"),
    ):
        with pytest.raises(ApiError, match=text):
            move(one, jobid, queue, **more)
    if pwd.getpwuid(os.getuid()).pw_name != "somebody-else":
        with pytest.raises(ApiError, match="not allowed to submit jobs to queue others"):
            move(one, jobid, "others")
    wide = one.submit(jobspec("true", queue="later", nodes=3, duration=60), urgency=0)
    with pytest.raises(ApiError, match="unsatisfiable request"):
        move(one, wide, "big")
    assert (one.client.get(f"/v1/jobs/{jobid}/jobspec"), one.names(jobid)) == known
    assert move(one, jobid, "big") == {}
    assert move(one, jobid, "big", duration=60) == {"attributes.system.duration": 60}
    unlimited = one.submit(jobspec("true", queue="later"), urgency=0)
    assert move(one, unlimited, "brief") == {"attributes.system.queue": "brief", "attributes.system.duration": 1800}
    runs = one.submit(jobspec("true", queue="later", exec={"test": {"run_duration": "100s"}}))
    one.until(runs, "alloc")
    with pytest.raises(ApiError, match="queue cannot be changed once resources are allocated"):
        move(one, runs, "small")
    over = one.submit(jobspec("true", queue="big", duration=60))
    one.result(over)
    with pytest.raises(ApiError, match="job is inactive"):
        move(one, over, "later")
