"""Resources and queues of an instance through the Python API."""

from __future__ import annotations

import pytest

from fluxplug.queue import QueueList
from fluxplug.resource import ResourceJournalConsumer, ResourceSet, resource_list, resource_status


def R(ranks, cores="0-3"):  # noqa: N802
    nodes = [{"rank": ranks, "children": {"core": cores}}] if ranks else []
    hosts = [f"n{rank}" for rank in ResourceSet({"version": 1, "execution": {"R_lite": nodes}}).ranks]
    execution = {"R_lite": nodes, "starttime": 0.0, "expiration": 0.0, "nodelist": hosts}
    return {"version": 1, "execution": execution}


def test_resource_list(instance, h):
    instance.answers["/v1/resources"] = {"all": R("0-3"), "down": R("3"), "allocated": R("0", "0-1")}
    found = resource_list(h).get()
    assert {state: found[state].dumps() for state in ("all", "up", "down", "allocated", "free")} == {
        "all": "rank[0-3]/core[0-3]",
        "up": "rank[0-2]/core[0-3]",
        "down": "rank3/core[0-3]",
        "allocated": "rank0/core[0-1]",
        "free": "rank0/core[2-3] rank[1-2]/core[0-3]",
    }
    with pytest.raises(KeyError):
        _ = found["nope"]
    assert found.copy_constraint({"hostlist": ["n[0-1]"]}).free.ncores == 6
    assert found.filter("0,3").free.ncores == 2
    assert found.filter("n3").all.nnodes == 1
    with pytest.raises(FileNotFoundError):
        found.filter("n7")


def test_resource_status(instance, h):
    instance.answers["/v1/resources/status"] = {
        "R": R("0-5"),
        "online": "0-4",
        "offline": "5",
        "exclude": "0",
        "torpid": "1",
        "housekeeping": "",
        "allocated": "2",
        "drain": {"2-3": {"timestamp": 5.0, "reason": "x"}, "5": {"timestamp": 6.0}},
    }
    found = resource_status(h).get()
    assert (str(found.draining), str(found.drained), str(found.avail)) == ("2", "3,5", "4")
    assert str(found.get_idset("exclude", "torpid")) == "0-1"
    assert (found.get_drain_info(3).reason, found.get_drain_info(5).timestamp) == ("x", 6.0)
    assert found.get_drain_info(0) is None
    with pytest.raises(KeyError):
        _ = found["rset"]
    found = found.filter("n[2-4]")
    assert (str(found.all), str(found.drained), str(found.nodelist), str(found.online)) == ("2-4", "3", "n[2-4]", "2-4")


def test_journal_of_resources(instance, h):
    events = [
        {"timestamp": 1.0, "name": "resource-define", "context": {"method": "configuration"}, "R": R("0")},
        {"timestamp": 2.0, "name": "online", "context": {"idset": "0"}},
    ]
    instance.answers["events of resources"] = events
    consumer = ResourceJournalConsumer(h).start()
    first = consumer.poll(10)
    assert (first.name, first.R["version"], consumer.poll(10).context) == ("resource-define", 1, {"idset": "0"})
    with instance.changed:
        events.append({"timestamp": 3.0, "name": "offline", "context": {"idset": "0"}})
        instance.changed.notify_all()
    assert consumer.poll(10).name == "offline"
    consumer.stop()
    assert consumer.poll(10) is None


def test_queues(instance, h):
    counts = {"nnodes": 2, "ncores": 8, "ngpus": 0}
    full = {
        "name": "batch",
        "is_default": True,
        "enabled": True,
        "started": False,
        "stop_reason": "x",
        "defaults": {"duration": 60.0},
        "limits": {
            "duration": None,
            "min": {"nnodes": 1, "ncores": None},
            "max": {"nnodes": 4, "ncores": None, "ngpus": 0},
        },
        "resources": {"all": counts, "up": counts, "down": {}, "allocated": {}, "free": counts},
        "pending": 3,
    }
    instance.answers["/v1/queues"] = {"queues": [full, {"name": "debug", "parent": "batch", "blocked": "parent"}]}
    found = QueueList(h)
    assert [queue.name for queue in found] == ["batch", "debug"]
    batch = found["batch"]
    assert (batch.is_default, batch.enabled, batch.started, batch.stop_reason, batch.pending) == (
        True,
        True,
        False,
        "x",
        3,
    )
    assert (batch.defaults.timelimit, batch.limits.duration, batch.limits.timelimit) == (
        60.0,
        float("inf"),
        float("inf"),
    )
    assert (batch.limits.max.nnodes, batch.limits.max.ncores, batch.limits.max.ngpus) == (4, float("inf"), 0)
    assert (batch.limits.min.nnodes, batch.limits.min.ncores, batch.resources.free.ncores) == (1, 0, 8)
    assert (found["debug"].parent, found["debug"].blocked) == ("batch", "parent")
    assert [queue.name for queue in QueueList(h, ["debug"])] == ["debug"]
    for wrong in (lambda: found["nope"], lambda: QueueList(h, ["nope"])):
        with pytest.raises(ValueError, match="No such queue: nope"):
            wrong()
