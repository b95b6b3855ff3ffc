"""Every sample configuration loads with the plugins of the tree, and says what its comments say."""

from __future__ import annotations

from pathlib import Path

import pytest

from fluxplug.cli.main import main
from fluxplug.config import load_config
from fluxplug.resource.document import read_r

CONF = Path(__file__).parents[2] / "conf"
SAMPLES = sorted(CONF.glob("*.toml"))


def test_there_are_samples():
    assert [path.name for path in SAMPLES] == [
        "conservative.toml",
        "graph.toml",
        "hybrid.toml",
        "multifactor.toml",
        "queues.toml",
        "sched.toml",
    ]


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_it_loads(path, capsys):
    config = load_config(path)
    assert config.source == path
    machine = config.machine()
    assert (machine is None) == (path.stem == "graph"), "the machine is in [resource], or in a file of the pool's"
    assert machine is None or read_r(machine).nodes
    assert main(["config", "check", str(path)]) == 0
    assert capsys.readouterr().out.startswith(f"{path}: ok\n")


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_its_classes_can_be_made(path):
    config = load_config(path)
    for queue in config.all_queues:
        config.plugins.policies[queue.queue_policy].cls(queue.policy_params)


@pytest.mark.parametrize(
    ("name", "policy", "params", "depth"),
    [
        ("sched", "easy", {}, None),
        ("conservative", "conservative", {"max_reservation_depth": 10000}, None),
        ("hybrid", "hybrid", {"reservation_depth": 32, "max_reservation_depth": 100_000}, 5000),
    ],
)
def test_one_queue(name, policy, params, depth):
    config = load_config(CONF / f"{name}.toml")
    (queue,) = config.all_queues
    assert (queue.name, queue.queue_policy, queue.queue_params.depth) == ("", policy, depth)
    assert {name: getattr(queue.policy_params, name) for name in params} == params
    contents = read_r(config.machine())
    assert (len(contents.nodes), {cores.bit_count() for cores, _ in contents.nodes.values()}) == (100, {16})


def test_computed_priorities():
    config = load_config(CONF / "multifactor.toml")
    plugin = config.plugins.priorities[config.sched.priority].cls(config.priority_params)
    assert (plugin.name, plugin.interval) == ("multifactor", 300.0)
    assert [(queue.name, queue.engine_queue) for queue in config.queues] == [("debug", "batch"), ("batch", "batch")]
    assert [queue.policy.limits.largest.nnodes for queue in config.queues] == [4, None]


def test_several_queues():
    config = load_config(CONF / "queues.toml")
    debug, gpu, batch = config.queues
    assert [queue.properties for queue in config.queues] == [("debug",), ("batch", "gpu"), ("batch",)]
    assert [queue.queue_policy for queue in config.queues] == ["fcfs", "easy", "hybrid"]
    assert config.policy.default_queue == "batch"
    assert [queue.policy.limits.duration for queue in config.queues] == [1800.0, 172800.0, 172800.0]
    assert [queue.policy.default_duration for queue in config.queues] == [600.0, 3600.0, 3600.0]
    assert debug.policy.limits.largest.nnodes == 4
    assert (gpu.queue_params.depth, batch.queue_params.depth) == (None, 10000)
    contents = read_r(config.machine())
    assert {name: len(ranks) for name, ranks in contents.properties.items()} == {"batch": 104, "debug": 8, "gpu": 4}
    assert sum(gpus.bit_count() for _, gpus in contents.nodes.values()) == 16
