"""Discovery on made trees of /sys and /proc, and on this machine."""

from __future__ import annotations

import json

import pytest
from fluxplug_pool_graph import readers
from fluxplug_pool_graph.description import Description, Edge, Vertex
from fluxplug_pool_graph.discover import discover, to_jgf, to_r

from fluxplug.resource.rset import Rv1Set


@pytest.fixture
def machine(tmp_path):
    """Writes files of /sys and /proc; discovers what they describe."""

    class Machine:
        sys, proc = tmp_path / "sys", tmp_path / "proc"

        def write(self, path, text):
            file = tmp_path / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f"{text}\n", encoding="utf-8")

        def cpu(self, number, package, core, siblings=None):
            topology = f"sys/devices/system/cpu/cpu{number}/topology"
            self.write(f"{topology}/physical_package_id", package)
            self.write(f"{topology}/core_id", core)
            if siblings is not None:
                self.write(f"{topology}/thread_siblings_list", siblings)

        def card(self, number, address, vendor, *, render=True, numa=-1):
            device = tmp_path / f"sys/devices/pci/{address}"
            self.write(f"sys/devices/pci/{address}/vendor", vendor)
            self.write(f"sys/devices/pci/{address}/numa_node", numa)
            if render:
                (device / f"drm/renderD{128 + number}").mkdir(parents=True)
            link = tmp_path / f"sys/class/drm/card{number}"
            link.mkdir(parents=True)
            (link / "device").symlink_to(device)

        def paths(self, **more):
            made = discover("n07", sys=self.sys, proc=self.proc, **more)
            return [v.paths["containment"].removeprefix("/cluster0/n07") for v in made.vertices][2:]

    return Machine()


def two_sockets(machine):
    """Two sockets of two cores of two threads, numbered as kernels do: second threads last."""
    for cpu in range(8):
        machine.cpu(cpu, cpu // 2 % 2, cpu % 2, f"{cpu % 4},{cpu % 4 + 4}")
    machine.write("sys/devices/system/node/node0/cpulist", "0-1,4-5")
    machine.write("sys/devices/system/node/node1/cpulist", "2-3,6-7")
    return machine


def test_sockets_and_cores(machine):
    expected = ["/socket0", "/socket0/core0", "/socket0/core1", "/socket1", "/socket1/core2", "/socket1/core3"]
    assert two_sockets(machine).paths() == expected


def test_levels_are_chosen(machine):
    two_sockets(machine)
    assert machine.paths(levels=()) == ["/core0", "/core1", "/core2", "/core3"]
    assert machine.paths(levels=["numanode", "socket"])[:3] == [
        "/socket0",
        "/socket0/numanode0",
        "/socket0/numanode0/core0",
    ]
    assert machine.paths(levels=["numanode"])[3:] == ["/numanode1", "/numanode1/core2", "/numanode1/core3"]


def test_numa_nodes_that_do_not_fit_into_sockets_are_left_out(machine):
    two_sockets(machine).write("sys/devices/system/node/node0/cpulist", "0-7")
    machine.write("sys/devices/system/node/node1/cpulist", "")
    assert machine.paths(levels=["socket", "numanode"]) == machine.paths()


def test_cpus_that_are_offline_do_not_count(machine):
    two_sockets(machine).write("sys/devices/system/cpu/online", "0-1,4")
    assert machine.paths() == ["/socket0", "/socket0/core0", "/socket0/core1"]


def test_cores_are_told_by_their_ids_where_siblings_are_not_shown(machine):
    for cpu in range(4):
        machine.cpu(cpu, -1, cpu % 2)
    assert machine.paths() == ["/socket0", "/socket0/core0", "/socket0/core1"]


def test_a_machine_that_shows_no_topology(machine):
    assert machine.paths() == ["/socket0", "/socket0/core0"]
    machine.write("proc/cpuinfo", "processor\t: 0\nmodel name\t: x\n\nprocessor\t: 1\n")
    assert machine.paths(levels=()) == ["/core0", "/core1"]


def test_files_that_hold_nonsense_are_as_good_as_missing(machine):
    machine.cpu(0, "x", "", "a-b")
    machine.write("sys/devices/system/cpu/online", "?")
    machine.write("sys/devices/system/node/node0/cpulist", "!")
    assert machine.paths() == ["/socket0", "/socket0/core0"]


def test_gpus_hang_at_the_socket_of_their_numa_node(machine):
    two_sockets(machine)
    machine.card(0, "0000:02:00.0", "0x1a03")  # a management controller
    machine.card(1, "0000:81:00.0", "0x1002", numa=1)
    machine.card(2, "0000:41:00.0", "0x10de", numa=0)
    machine.card(3, "0000:00:02.0", "0x8086", numa=0)  # part of the processor
    machine.card(4, "0000:91:00.0", "0x1002", render=False)
    (machine.proc / "driver/nvidia/gpus/0000:41:00.0").mkdir(parents=True)  # the same one again
    (machine.proc / "driver/nvidia/gpus/0000:c1:00.0").mkdir()
    assert [path for path in machine.paths() if "gpu" in path] == ["/socket0/gpu0", "/socket1/gpu1", "/gpu2"]
    assert [path for path in machine.paths(levels=()) if "gpu" in path] == ["/gpu0", "/gpu1", "/gpu2"]


def test_what_is_written_is_read_back(machine):
    two_sockets(machine).card(1, "0000:81:00.0", "0x1002", numa=1)
    made = discover("n07", sys=machine.sys, proc=machine.proc)
    assert readers.read("jgf", json.dumps(to_jgf(made))) == made
    r = to_r(made, "n07")
    assert r["execution"]["R_lite"] == [{"rank": "0", "children": {"core": "0-3", "gpu": "0"}}]
    assert Rv1Set(r).hosts == {0: "n07"}
    flat = readers.read("rv1exec", json.dumps(r))
    rows = [{(v.type, v.name, v.id, v.rank) for v in one.vertices if v.type != "socket"} for one in (made, flat)]
    assert rows[0] == rows[1]


def test_this_machine_is_described():
    made = discover("here")
    assert {"cluster", "node", "socket", "core"} <= {v.type for v in made.vertices}
    assert readers.read("jgf", json.dumps(to_jgf(made))) == made
    assert readers.read("rv1exec", json.dumps(to_r(made, "here"))).vertices


def test_a_host_name_that_is_no_name_is_refused(machine):
    with pytest.raises(readers.GraphReadError, match="hostname"):
        discover("a/b", sys=machine.sys, proc=machine.proc)


def test_jgf_of_any_description_is_read_back():
    vertices = [
        Vertex("cluster", "c", "c0", 0, 5, paths={"containment": "/c0", "power": "/p/c0"}),
        Vertex("memory", "mem", "m", -1, 7, 3, 0, "", False, True, {"a": "b"}, {"containment": "/c0/m"}),
    ]
    made = Description(vertices, [Edge(0, 1, "power")], ["cluster", "memory"])
    made.free_ranks.set(3, 5)
    assert readers.read("jgf", json.dumps(to_jgf(made))) == made
