"""`fluxplug resource` and `queue`: the machine, and who may use it."""

from __future__ import annotations

import json

import pytest

SLEEP = ("-S", "exec.test.run_duration=1000s")


@pytest.fixture
def machine(pretend):
    """`fluxplug` in an instance all of whose nodes are in service, afterwards too."""
    yield pretend
    pretend("resource", "undrain", "--force", "0-3")
    pretend("resource", "up", "0-3")
    pretend("queue", "enable", "--all")
    pretend("queue", "start", "--all")


class TestResource:
    def test_list(self, machine):
        machine("submit", "--wait-event=start", "-N1", *SLEEP, "true")
        assert [line.split() for line in machine("resource", "list").lines] == [
            ["STATE", "NNODES", "NCORES", "NODELIST"],
            ["free", "3", "6", "node[1-3]"],
            ["allocated", "1", "2", "node0"],
            ["down", "0", "0"],
        ]
        assert machine("resource", "list", "-s", "down", "-i", "0-1", "-n").out == ""
        assert machine("resource", "list", "-n", "-s", "all", "-i", "node[1-2]", "-o", "{ranks} {rlist}").out == (
            "1-2 rank[1-2]/core[0-1]\n"
        )
        assert machine("resource", "list", "-i", "nope").code == 1

    def test_info_and_r(self, machine):
        assert machine("resource", "info").out == "4 Nodes, 8 Cores, 0 GPUs\n"
        assert machine("resource", "info", "-i", "0").out == "1 Node, 2 Cores, 0 GPUs\n"
        assert json.loads(machine("resource", "R", "-i", "1,3").out)["execution"]["R_lite"][0]["rank"] == "1,3"

    def test_drain(self, machine):
        assert machine("resource", "drain", "node1", "bad", "disk") == (0, "", "")
        assert machine("resource", "drain", "1", "worse") == (
            1,
            "",
            "fluxplug resource: [Errno 17] rank 1 already drained\nUse --force to overwrite existing drain reason\n",
        )
        assert machine("resource", "drain", "-u", "1-2", "more") == (0, "", "")
        assert machine("resource", "drain", "-f", "1", "worse") == (0, "", "")
        rows = machine("resource", "drain", "-n", "-o", "{ranks} {state} {reason}").lines
        assert rows == ["1 drained worse", "2 drained more"]
        assert [line.split()[:3] for line in machine("resource", "status", "-n").lines] == [
            ["avail", "✔", "2"],
            ["drained", "✔", "2"],
        ]
        assert machine("resource", "undrain", "1-2") == (0, "", "")
        assert machine("resource", "undrain", "1").err == "fluxplug resource: [Errno 22] rank 1 not drained\n"

    def test_down(self, machine):
        assert machine("resource", "down", "2-3", "power") == (0, "", "")
        assert machine("resource", "list", "-n", "-s", "down", "-o", "{nnodes} {nodelist}").out == "2 node[2-3]\n"
        assert machine("resource", "up", "2-3") == (0, "", "")
        lines = machine("resource", "eventlog").lines
        assert 'offline idset="2-3" reason="power"' in lines[-2]
        assert lines == machine("events", "--resources").lines

    def test_colors_and_formats(self, machine):
        assert "\x1b[32m" in machine("resource", "status", "--color=always").out
        assert "  rlist  " in machine("resource", "list", "-o", "help").out
        assert machine("resource", "list", "-o", "{nope}").code == 1

    def test_actions_of_plugins(self, machine):
        pytest.importorskip("fluxplug_pool_graph")
        assert json.loads(machine("resource", "discover").out)["version"] == 1
        seen = machine("resource", "discovr")
        assert seen.code == 2
        assert "there is no such action; did you mean 'discover'? actions: " in seen.err


class TestQueue:
    def test_status(self, machine):
        assert machine("queue", "status").lines == ["Job submission is enabled", "Scheduling is started"]
        held = machine("submit", "--urgency=hold", "true")
        assert held.code == 0
        assert machine("queue", "status", "-v").lines[2] == "1 alloc requests queued"
        assert machine("queue", "status", "nope") == (1, "", "fluxplug queue: 'nope' is not a valid queue\n")

    def test_disable(self, machine):
        assert machine("queue", "disable", "-m", "maintenance").out == "Job submission is disabled: maintenance\n"
        assert machine("submit", "true") == (
            1,
            "",
            "fluxplug submit: [Errno 22] job submission is disabled: maintenance\n",
        )
        assert machine("queue", "enable", "--quiet") == (0, "", "")

    def test_stop(self, machine):
        assert machine("queue", "stop", "-m", "test").out == "Scheduling is stopped: test\n"
        one = machine("submit", "true").out.strip()
        assert machine("explain", one).lines[0] == f"{one}: queue of all jobs is stopped"
        assert machine("queue", "start").out == "Scheduling is started\n"
        assert machine("job", "status", one).code == 0

    def test_list(self, machine):
        seen = machine("queue", "list")
        assert [line.split() for line in seen.lines] == [
            ["EN", "ST", "TDEFAULT", "TLIMIT", "NNODES", "NCORES", "NGPUS"],
            ["✔", "✔", "inf", "inf", "0-4", "0-8", "0-0"],
        ]
        assert machine("queue", "list", "-n", "-o", "{enabled.ascii} {resources.all.ncores}").out == "y 8\n"

    def test_drain_and_idle(self, machine):
        one = machine("submit", "--wait-event=start", *SLEEP, "true").out.strip()
        seen = machine("queue", "idle", "--timeout=0.1")
        assert seen.err == "fluxplug queue: 1 jobs are left: timeout, or the instance has ended\n"
        machine("submit", "--urgency=hold", "true")
        machine("cancel", one)
        assert machine("queue", "idle", "--timeout=20").code == 0
        assert machine("queue", "drain", "--timeout=0.1").code == 1
        machine("cancel", "--all")
        assert machine("queue", "drain", "--timeout=20").code == 0
