"""What clients ask beside submitting, and what they are answered."""

import asyncio
from types import SimpleNamespace

import pytest

from fluxplug.errors import ApiError
from fluxplug.instance.driver import MAX_PURGE
from fluxplug.instance.jobrequests import JobRequests

from .conftest import jobspec


@pytest.fixture
def one(server):
    return server("--nodes", "2", "--cores", "2", "--executor", "pretend")


def refused(client, path, body):
    with pytest.raises(ApiError) as caught:
        client.post(path, body)
    return caught.value.errno, caught.value.strerror


def test_jobs_that_are_not_what_is_asked(one):
    ended = one.submit(jobspec("true"))
    one.result(ended)
    held = one.submit(jobspec("true"), urgency=0)
    nobody = "ƒ9999999"
    assert refused(one.client, f"/v1/jobs/{ended}/kill", {}) == (22, "job is not running")
    assert refused(one.client, f"/v1/jobs/{held}/kill", {}) == (22, "job is not running")
    assert refused(one.client, f"/v1/jobs/{nobody}/kill", {}) == (2, "unknown job id")
    for request, body in (("raise", {}), ("urgency", {"urgency": 3}), ("memo", {"memo": {"a": 1}})):
        assert refused(one.client, f"/v1/jobs/{ended}/{request}", body) == (2, "job is inactive")
        assert refused(one.client, f"/v1/jobs/{nobody}/{request}", body) == (2, "unknown job id")
    assert refused(one.client, "/v1/jobs/no-id/raise", {})[0] == 22
    assert refused(one.client, f"/v1/jobs/{held}/urgency", {"urgency": 32})[0] == 71
    assert refused(one.client, f"/v1/jobs/{held}/update", {"updates": {"attributes.system.job.name": "x"}}) == (
        22,
        "update of attributes.system.job.name not supported",
    )
    assert refused(one.client, "/v1/wait", {"id": ended})[0] == 10


def test_limits_change_by_more_and_less_and_never_below_nothing(one):
    held = one.submit(jobspec("true", duration=100), urgency=0)
    path = f"/v1/jobs/{held}/update"
    for value, wanted in (("+1m", 160), ("-60", 100), (30, 30), ("2h", 7200), (0, 0)):
        one.client.post(path, {"updates": {"attributes.system.duration": value}})
        assert one.client.get(f"/v1/jobs/{held}")["job"]["duration"] == wanted
        assert one.client.get(f"/v1/jobs/{held}/jobspec")["attributes"]["system"]["duration"] == wanted
    for value in ("+1m", "x", -1, None, "inf", 1e400, [], True):
        assert refused(one.client, path, {"updates": {"attributes.system.duration": value}})[0] in {22, 71}


def test_a_drained_node_gets_no_jobs_until_it_is_back(one):
    one.client.post("/v1/resources/drain", {"targets": "0", "reason": "looked at"})
    jobs = [one.submit(jobspec("true", nodes=1, cores=2, exec={"test": {"run_duration": "0.05s"}})) for _ in range(3)]
    for jobid in jobs:
        one.result(jobid)
        assert one.client.get(f"/v1/jobs/{jobid}")["job"]["ranks"] == "1"
    both = one.submit(jobspec("true", nodes=2))
    why = one.client.get(f"/v1/jobs/{both}/explain")
    assert (why["reason"], why["estimate"]) == ("down", None)
    assert refused(one.client, "/v1/resources/drain", {"targets": "0", "reason": "again"}) == (
        17,
        "rank 0 already drained",
    )
    assert refused(one.client, "/v1/resources/undrain", {"targets": "1"}) == (22, "rank 1 not drained")
    assert refused(one.client, "/v1/resources/drain", {"targets": "7"})[0] == 22
    one.client.post("/v1/resources/undrain", {"targets": "node0"})
    assert one.result(both)["waitstatus"] == 0
    names = [event["name"] for event in one.client.stream("/v1/resources/eventlog")]
    assert names == ["restart", "resource-define", "online", "drain", "undrain"]


def test_what_administrators_said_outlives_the_server(one):
    one.client.post("/v1/resources/drain", {"targets": "1", "reason": "kept"})
    one.client.post("/v1/queues/stop", {"reason": "kept too"})
    job = one.submit(jobspec("true"))
    one.kill()
    one.start()
    assert one.client.get("/v1/resources/status")["drain"]["1"]["reason"] == "kept"
    (queue,) = one.client.get("/v1/queues")["queues"]
    assert (queue["started"], queue["stop_reason"], queue["pending"]) == (False, "kept too", 1)
    assert one.client.get(f"/v1/jobs/{job}/explain")["reason"] == "stopped"
    one.client.post("/v1/queues/start", {})
    assert one.result(job)["waitstatus"] == 0


def test_a_closed_queue_takes_no_jobs(one):
    one.client.post("/v1/queues/disable", {"reason": "maintenance"})
    with pytest.raises(ApiError, match="job submission is disabled: maintenance"):
        one.submit(jobspec("true"))
    one.client.post("/v1/queues/enable", {})
    one.result(one.submit(jobspec("true")))


def test_every_pending_job_has_a_reason_and_an_estimate(one):
    long = {"exec": {"test": {"run_duration": "1h"}}, "duration": 3600}
    one.submit(jobspec("true", nodes=2, cores=2, **long))
    waiting = [one.submit(jobspec("true", nodes=1, **long)) for _ in range(5)]
    deadline = 50
    shown = []
    while len(shown) < 5 and deadline:  # a round of estimates is due within a second
        listed = one.client.post("/v1/jobs/list", {"constraint": {"states": ["sched"]}})["jobs"]
        shown = [job for job in listed if "t_estimate" in job.get("annotations", {}).get("sched", {})]
        deadline -= 1
        one.client.get(f"/v1/jobs/{waiting[0]}/explain")
        if len(shown) < 5:
            with pytest.raises(ApiError):
                one.client.get(f"/v1/jobs/{waiting[0]}/result", timeout=0.2)
    assert {job["id"] for job in shown} == set(waiting)
    assert all(job["annotations"]["sched"]["reason_pending"] for job in shown)
    starts = sorted(job["annotations"]["sched"]["t_estimate"] for job in shown)
    assert starts == sorted(starts)


def test_listings_filter_and_page(one):
    jobs = [one.submit(jobspec("true")) for _ in range(5)]
    for jobid in jobs:
        one.result(jobid)
    listed = one.client.post("/v1/jobs/list", {"max_entries": 3})["jobs"]
    assert len(listed) == 3
    only = one.client.post("/v1/jobs/list", {"attrs": ["name"], "constraint": {"results": ["completed"]}})["jobs"]
    assert all(set(job) == {"id", "name"} for job in only)
    assert {job["id"] for job in only} == set(jobs)
    assert one.client.post("/v1/jobs/list", {"constraint": {"results": ["failed"]}})["jobs"] == []
    for constraint in ({"nope": []}, {"name": "x"}, {"and": [{"states": ["x"]}]}, {"states": [], "name": []}):
        assert refused(one.client, "/v1/jobs/list", {"constraint": constraint})[0] == 22


def test_old_jobs_are_forgotten_when_asked(one):
    jobs = [one.submit(jobspec("true")) for _ in range(6)]
    for jobid in jobs:
        one.result(jobid)
    assert one.client.post("/v1/purge", {"num_limit": 2}) == {"matched": 4, "purged": 0, "inactive": 6}
    assert one.client.post("/v1/purge", {"num_limit": 2, "force": True})["purged"] == 4
    known = {job["id"] for job in one.client.post("/v1/jobs/list", {})["jobs"]}
    assert len(known) == 2
    again = one.submit(jobspec("true"))
    one.result(again)
    assert again not in jobs


def test_waitable_jobs_are_waited_for_once_each_and_not_forgotten(one):
    jobs = [one.submit(jobspec("true"), flags=4) for _ in range(3)]
    for jobid in jobs:
        one.result(jobid)
    assert one.client.post("/v1/wait", {"id": jobs[1]}) == {"id": jobs[1], "success": True, "errstr": ""}
    one.kill()
    one.start()
    assert {one.client.post("/v1/wait", {})["id"] for _ in range(2)} == {jobs[0], jobs[2]}
    assert refused(one.client, "/v1/wait", {}) == (10, "there are no more waitable jobs")


def test_a_volatile_memo_is_in_no_log(one):
    held = one.submit(jobspec("true"), urgency=0)
    one.client.post(f"/v1/jobs/{held}/memo", {"memo": {"a": 1}, "volatile": True})
    one.client.post(f"/v1/jobs/{held}/memo", {"memo": {"b": {"c": 2}}})
    assert one.client.get(f"/v1/jobs/{held}")["job"]["annotations"]["user"] == {"a": 1, "b": {"c": 2}}
    assert [event["context"] for event in one.events(held) if event["name"] == "memo"] == [{"b": {"c": 2}}]


def test_a_purge_completes_what_it_announces(one):
    count = MAX_PURGE // 2 + 7
    jobs = one.client.post("/v1/jobs", {"jobs": [{"jobspec": jobspec("true")} for _ in range(count)]})["jobs"]
    bad = one.submit(jobspec("true"), urgency=0)
    one.client.post(f"/v1/jobs/{bad}/raise", {"type": "cancel"})
    for jobid in [job["id"] for job in jobs]:
        one.result(jobid)
    before = one.client.get("/v1/stats")["jobs"]
    assert (before["inactive"], before["successful"], before["canceled"]) == (count + 1, count, 1)
    wanted = {"matched": count - 2, "inactive": count + 1}
    assert one.client.post("/v1/purge", {"num_limit": 3}) == {**wanted, "purged": 0}
    assert one.client.post("/v1/purge", {"num_limit": 3, "age_limit": 1000}) == {**wanted, "purged": 0}
    assert one.client.post("/v1/purge", {"num_limit": 3, "force": True}) == {**wanted, "purged": count - 2}
    after = one.client.get("/v1/stats")["jobs"]
    assert after == {**before, "inactive": 3, "total": 3, "inactive_purged": count - 2}
    left = [job["id"] for job in one.client.post("/v1/jobs/list", {})["jobs"]]
    held = one.submit(jobspec("true"), urgency=0)
    body = {"ids": [left[0], left[0], held, "5"], "force": True}
    assert one.client.post("/v1/purge", body) == {"matched": 1, "purged": 1, "inactive": 3}
    one.kill()
    one.start()
    assert one.client.get("/v1/stats")["jobs"] == {
        **after,
        "inactive": 2,
        "total": 3,
        "sched": 1,
        "inactive_purged": count - 1,
    }
    assert one.client.post("/v1/purge", {"age_limit": 0, "force": True})["purged"] == 2
    assert one.names(held)[0] == "submit"


def test_the_jobspec_before_updates(one):
    jobid = one.submit(jobspec("true", duration=60), urgency=0)
    path = f"/v1/jobs/{jobid}/jobspec"
    assert one.client.get(path, base=True) == one.client.get(path)
    for duration in (30, 20):
        one.client.post(f"/v1/jobs/{jobid}/update", {"updates": {"attributes.system.duration": duration}})
    systems = [
        one.client.get(path, **query)["attributes"]["system"] for query in ({}, {"base": True}, {"original": True})
    ]
    assert [system["duration"] for system in systems] == [20, 60, 60]
    assert ["environment" in system for system in systems] == [False, False, True]


def test_who_sends_input_waits_until_there_is_room():
    taken = []
    room = iter((False, False, True))
    executor = SimpleNamespace(
        takes_input=lambda _: next(room),
        write=lambda jobid, ranks, data, *, eof: taken.append((jobid, ranks, data, eof)),
    )

    async def call(function):
        return function(0.0)

    live = SimpleNamespace(document={})
    requests = JobRequests(SimpleNamespace(executor=executor, call=call, jobs={1: live}))
    asyncio.run(requests.input(1, "all", b"x", eof=False))
    assert next(room, None) is None
    asyncio.run(requests.input(1, "all", b"", eof=True))
    assert taken == [(1, "all", b"x", False), (1, "all", b"", True)]
