"""hwloc XML: which objects become vertices, and where they hang."""

from __future__ import annotations

import pytest
from fluxplug_pool_graph.readers import GraphReadError, hwloc

BAD = ("Error hwloc load: rank -1; ",)


def obj(kind, *inside, **attributes):
    text = "".join(f' {key}="{value}"' for key, value in attributes.items())
    return f'<object type="{kind}"{text}>{"".join(inside)}</object>'


def info(name, value):
    return f'<info name="{name}" value="{value}"/>'


def topology(*inside, version="2.0"):
    return f"<topology{' version=' + chr(34) + version + chr(34) if version else ''}>{''.join(inside)}</topology>"


def machine(*inside, version="2.0"):
    return topology(obj("Machine", info("HostName", "n012"), *inside, cpuset="0xf"), version=version)


def tree(text, *allowlist):
    return [v.paths["containment"].removeprefix("/cluster0/n012") for v in hwloc.read(text, allowlist).vertices][2:]


def refused(text):
    with pytest.raises(GraphReadError) as caught:
        hwloc.read(text)
    return caught.value


PUS = [obj("Core", obj("PU"), obj("PU")), obj("Core", obj("PU"), obj("PU"))]


def test_the_machine_is_a_node():
    made = hwloc.read(machine())
    assert [(v.type, v.basename, v.name, v.id, v.rank, v.uniq_id) for v in made.vertices] == [
        ("cluster", "cluster", "cluster0", 0, -1, 0),
        ("node", "n", "n012", 12, 0, 1),
    ]
    assert [(e.source, e.target) for e in made.edges] == [(0, 1)]
    assert made.types == ["cluster", "node"]


def test_without_a_host_name_its_objects_belong_to_the_cluster():
    made = hwloc.read(topology(obj("Machine", obj("Package", *PUS))), ["socket"])
    assert [v.paths["containment"] for v in made.vertices] == ["/cluster0", "/cluster0/socket0"]


def test_logical_indexes_run_through_the_machine():
    text = machine(obj("Package", *PUS, os_index="7"), obj("Package", *PUS))
    assert tree(text, "node", "socket", "core") == [
        "/socket0",
        "/socket0/core0",
        "/socket0/core1",
        "/socket1",
        "/socket1/core2",
        "/socket1/core3",
    ]
    assert tree(text, "node", "pu") == [f"/pu{k}" for k in range(8)]


def test_children_stand_by_class():
    text = machine(
        obj("Misc"),
        obj("Bridge", obj("PCIDev", obj("OSDev", info("Size", "2500000"), name="sda", osdev_type="0"))),
        obj("NUMANode"),
        obj("Package", *PUS),
    )
    assert tree(text, "node", "socket", "numanode", "storage") == ["/socket0", "/numanode0", "/storage0"]


def test_an_empty_allowlist_takes_all():
    caches = [
        obj("L2Cache", obj("L1Cache", *PUS[:1], cache_size="32768"), obj("L1Cache", *PUS[1:]), cache_size="1048576")
        for _ in "ab"
    ]
    made = hwloc.read(machine(obj("NUMANode"), *caches))
    found = {v.name: (v.type, v.basename, v.size, v.rank) for v in made.vertices}
    assert found["L2cache1"] == ("cache", "L2cache", 1024, -1)
    # Every L1 cache has one child: they bring no structure.
    assert not any(name.startswith("L1") for name in found)
    assert found["numanode0"] == ("numanode", "numanode", 1, -1)
    assert found["pu7"] == ("pu", "pu", 1, -1)


def test_caches_that_are_all_of_their_parent_bring_no_structure():
    text = machine(obj("Package", obj("L3Cache", *PUS)), obj("Package", obj("L3Cache", *PUS)))
    assert not any("L3" in path for path in tree(text))
    kept = machine(obj("Package", obj("L3Cache", *PUS), obj("L3Cache", *PUS)), obj("Package", obj("L3Cache", *PUS)))
    assert tree(kept, "node", "L3cache") == ["/L3cache0", "/L3cache1", "/L3cache2"]


@pytest.mark.parametrize(
    ("name", "osdev_type", "expected"),
    [
        ("cuda3", 5, ["/gpu3"]),
        ("rsmi2", 1, ["/gpu2"]),
        ("opencl1d4", 5, ["/gpu4"]),
        ("ve9", 5, ["/gpu1"]),
        ("card0", 1, []),
        ("eth0", 2, []),
        ("dma0", 4, []),
    ],
)
def test_gpus(name, osdev_type, expected):
    text = machine(obj("OSDev", name="eth9", osdev_type=2), obj("OSDev", name=name, osdev_type=osdev_type))
    assert tree(text, "node", "gpu") == expected
    assert tree(text, "node") == []


def test_storage():
    size = info("Size", "1562813784")
    text = machine(
        obj("OSDev", size, info("LinuxDeviceID", "8:0"), name="sda", osdev_type=0), obj("OSDev", size, osdev_type=0)
    )
    first, second = hwloc.read(text).vertices[-2:]
    assert (first.type, first.name, first.size, first.properties) == (
        "storage",
        "storage0",
        1562,
        {"LinuxDeviceID": "8:0"},
    )
    assert (second.name, second.properties) == ("storage1", {"LinuxDeviceID": "-1"})


def test_dma_channels_are_not_counted():
    sda = obj("OSDev", info("Size", "1"), name="sda", osdev_type=0)
    assert tree(machine(obj("OSDev", osdev_type=4), sda), "node", "storage") == ["/storage0"]


GPU = obj("Bridge", obj("OSDev", name="cuda0", osdev_type=5))


def old_numa(*inside, cpus="0xf", **more):
    return obj("NUMANode", *inside, cpuset=cpus, **more)


def test_in_version_1_devices_of_a_numa_node_belong_to_its_only_socket():
    text = machine(
        old_numa(obj("Socket", *PUS, cpuset="0x3"), GPU, cpus="0x3"),
        old_numa(obj("Socket", *PUS, cpuset="0xc"), cpus="0xc"),
        version="",
    )
    assert tree(text, "node", "socket", "gpu", "numanode") == [
        "/socket0",
        "/socket0/numanode0",
        "/socket0/gpu0",
        "/socket1",
        "/socket1/numanode1",
    ]


def test_in_version_1_numa_nodes_inside_a_socket_leave_groups():
    numas = [old_numa(*PUS, GPU, cpus="0x3"), old_numa(*PUS, cpus="0xc")]
    text = machine(obj("Socket", *numas, cpuset="0xf"), version="")
    assert tree(text, "node", "socket", "core", "gpu") == [
        "/socket0",
        "/socket0/core0",
        "/socket0/core1",
        "/socket0/gpu0",
        "/socket0/core2",
        "/socket0/core3",
    ]
    assert "/socket0/group1/numanode1" in tree(text)


def test_in_version_1_there_is_always_memory():
    assert tree(machine(obj("Socket", *PUS), version=""), "node", "numanode") == ["/numanode0"]


def test_in_version_1_caches_have_a_depth_and_a_kind():
    caches = [
        obj(
            "Cache",
            obj("Cache", obj("Core"), depth=1, cache_type=2),
            obj("Core"),
            depth=2,
            cache_type=0,
            cache_size=2048,
        )
        for _ in "ab"
    ]
    assert tree(machine(*caches, version=""), "node", "L2cache", "L1cache", "core") == [
        "/L2cache0",
        "/L2cache0/core0",
        "/L2cache0/core1",
        "/L2cache1",
        "/L2cache1/core2",
        "/L2cache1/core3",
    ]


def test_objects_that_nobody_knows_pass_on_what_is_in_them():
    assert tree(machine(obj("Blade", obj("Package", obj("Die", *PUS)))), "node", "core") == ["/core0", "/core1"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not XML"),
        ("<junk/>", "expected the element topology"),
        (topology(), "there is no object"),
        (topology("\n<object/>"), "line 2: the element object needs the attribute type"),
        (topology(obj("Machine"), obj("Machine")), "a second object at the top"),
        (topology(obj("Machine", info("HostName", ""))), "HostName"),
    ],
)
def test_bad_documents(text, reason):
    assert reason in str(refused(text))
    assert refused(text).texts == BAD


@pytest.mark.parametrize(
    ("inside", "reason"),
    [
        (obj("OSDev", name="sda", osdev_type=0), "block device 'sda': there is no info Size"),
        (obj("OSDev", info("Size", "big"), osdev_type=0), "Size: expected a non-negative integer"),
        (obj("L1Cache", *PUS, cache_size="-1") + obj("L1Cache", *PUS), "cache_size: expected"),
        (obj("OSDev", name="cuda" + "9" * 30, osdev_type=5), "does not fit 64 bits"),
    ],
)
def test_bad_objects(inside, reason):
    assert reason in str(refused(machine(inside)))
