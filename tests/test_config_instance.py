"""What sched.toml says of an instance: executor, priorities, `[instance]`; and virtual queues and access of RFC 33."""

from __future__ import annotations

import re

import pytest

from fluxplug.build import build_engine, build_executor, build_pool, build_priorities
from fluxplug.clock import ManualClock
from fluxplug.config import Access, InstanceConfig, load_config
from fluxplug.engine.engine import by_urgency
from fluxplug.engine.events import Submit
from fluxplug.errors import ConfigError, PluginError
from fluxplug.plugins import Plugins
from fluxplug.priority import PrioritySite
from fluxplug.testing import jobspec

SITE = """
class Age:
    name = "age"
    @attrs.frozen
    class Config:
        weight: int = option(1, min=0)
    def __init__(self, config=None, site=None): self.config, self.site = config or self.Config(), site
    def priority(self, job, now): return self.config.weight

class Near:
    name = "near"
    @attrs.frozen
    class Config:
        kill_timeout: float = option(5.0, unit="seconds", min=0)
        helper: str | None = option(None, unit="path")
    def __init__(self, config, site): self.config, self.site = config, site
    def open(self): pass
    launch = signal = stop = close = open

class Far(Near):
    name = "far"
    Config = None

@hookimpl
def fluxplug_register_executors(): return [Near, Far]

@hookimpl
def fluxplug_register_priorities(): return [Age]
"""


@pytest.fixture
def load(tmp_path, plugin_folder):
    """Load TOML text as a file, with what is installed and the plugins above, or with others."""
    site = Plugins.load(path=[plugin_folder(site=SITE)])

    def load(text, plugins=site):
        path = tmp_path / "sched.toml"
        path.write_text(text, encoding="utf-8")
        return load_config(path, plugins)

    return load


class TestVirtualQueues:
    TEXT = """
        [policy]
        limits.duration = "8h"
        limits.job-size.max.nnodes = 4
        access.allow-group = ["staff"]
        [queues.urgent]
        parent = "batch"
        policy.limits.duration = "1h"
        policy.access.allow-user = ["amy", "1001"]
        [queues.batch]
        queue-policy = "hybrid"
        policy-params = {reservation-depth = 7}
        hosts = "node[2-3]"
        [queues.batch.policy]
        limits.job-size.max.nnodes = 2
        scheduler.thing = {deep = [1]}
        [resource]
        nodes = 4
    """

    def test_what_it_has_from_its_parent(self, load):
        config = load(self.TEXT)
        urgent, batch = config.queues
        assert (urgent.name, urgent.parent, urgent.engine_queue) == ("urgent", "batch", "batch")
        assert (batch.name, batch.parent, batch.engine_queue) == ("batch", None, "batch")
        assert urgent.properties == batch.properties == ("+batch",)
        assert urgent.policy_params is batch.policy_params
        assert urgent.policy.scheduler == batch.policy.scheduler == {"thing": {"deep": [1]}}
        assert [queue.policy.limits.largest.nnodes for queue in config.queues] == [2, 2]
        assert [queue.policy.limits.duration for queue in config.queues] == [3600.0, 28800.0]
        assert config.policy.scheduler is None

    def test_who_may_submit_is_laid_over_by_key(self, load):
        config = load(self.TEXT)
        assert [queue.policy.access for queue in config.queues] == [
            Access(("amy", "1001"), ("staff",)),
            Access(None, ("staff",)),
        ]
        assert not load("").policy.access
        assert load("policy.access.allow-user = []").policy.access, "given, and nobody is in it"

    def test_the_engine_has_the_others_alone(self, load):
        config = load(self.TEXT)
        assert [queue.name for queue in config.engine_queues] == ["batch"]
        assert [queue.name for queue in config.all_queues] == ["urgent", "batch"]
        assert config.machine()["execution"]["properties"] == {"+batch": "2-3"}


class TestClassesOfAnInstance:
    def test_by_default_nobody_asks_for_them(self, load):
        config = load("", Plugins.load(entry_points=True))
        assert (config.sched.executor, config.sched.priority) == ("local", "urgency")
        assert (config.executor_params, config.priority_params) == (None, None)

    def test_the_selected_ones_and_those_with_a_table(self, load):
        config = load("""
            [sched]
            executor = "far"
            priority = "age"
            [executor.near]
            kill-timeout = "10s"
        """)
        assert (config.sched.executor, config.sched.priority) == ("far", "age")
        assert config.executor_params is None
        assert config.executors["near"].kill_timeout == 10.0
        assert config.priority_params.weight == 1

    def test_an_executor_is_made_of_its_keys(self, load, tmp_path):
        config = load("sched.executor = 'near'\nexecutor.near.helper = 'bin/x'")
        made = build_executor(config, config.plugins, "the site")
        assert (made.config.helper, made.config.kill_timeout) == (str(tmp_path / "bin/x"), 5.0)
        assert made.site == "the site"
        with pytest.raises(PluginError, match="no executor is named 'near'"):
            build_executor(config, Plugins.load(entry_points=False), None)

    def test_an_engine_asks_the_selected_priority_plugin(self, load):
        config = load("""
            [sched]
            priority = "age"
            [priority.age]
            weight = 70
            [queues.a]
            [queues.b]
            parent = "a"
            [resource]
            nodes = 3
            cores = 4
        """)
        clock = ManualClock()
        pool = build_pool(config, config.plugins, clock)
        made = build_priorities(config, config.plugins, pool, clock)
        assert made.plugin.site == PrioritySite(12, 3, ("a", "b"))
        engine = build_engine(config, config.plugins, pool, clock, priorities=made)
        assert list(engine.queues) == ["a"]
        engine.handle(Submit(5.0, 1, pool.parse_resource_request(jobspec())))
        assert engine.jobs[1].priority == 70

    def test_the_default_costs_nothing(self, load):
        config = load("resource.nodes = 1")
        pool = build_pool(config, config.plugins, ManualClock())
        made = build_priorities(config, config.plugins, pool, ManualClock())
        assert made.function is by_urgency
        assert (made.interval, made.watches) == (None, False)


class TestInstance:
    def test_defaults(self, load):
        instance = load("").instance
        assert instance == InstanceConfig()
        assert (instance.durability, instance.inactive_age_limit, instance.inactive_num_limit) == (None, None, None)
        assert (instance.max_body, instance.max_rate) == (64 * 2**20, None)
        assert (instance.estimate_interval, instance.pass_slice, instance.output_limit) == (1.0, 0.005, 2**30)

    def test_all_keys(self, load):
        assert load("""
            [instance]
            durability = "process"
            inactive-age-limit = "7d"
            inactive-num-limit = 1000
            max-body = 4096
            max-rate = 50
            estimate-interval = "500ms"
            pass-slice = 0.02
            output-limit = 0
        """).instance == InstanceConfig(
            durability="process",
            inactive_age_limit=604800.0,
            inactive_num_limit=1000,
            max_body=4096,
            max_rate=50.0,
            estimate_interval=0.5,
            pass_slice=0.02,
            output_limit=0,
        )


# TOML, beginning at line 1 -> line, and what follows it.
FAULTS = {
    "unknown parent": (
        "[queues.batch]\n[queues.a]\nparent = 'bacth'",
        3,
        r"\[queues\.a\] parent: no queue is named 'bacth'; did you mean 'batch'\? queues: batch$",
    ),
    "its own parent": (
        "[queues.a]\nparent = 'a'",
        2,
        r"\[queues\.a\] parent: 'a' is a virtual queue; name one without",
    ),
    "virtual parent": (
        "[queues.c]\nparent = 'b'\n[queues.b]\nparent = 'a'\n[queues.a]",
        2,
        r"\[queues\.c\] parent: 'b' is a virtual queue; name one without a parent",
    ),
    "virtual queue with hosts": (
        "[queues.a]\n[queues.b]\nparent = 'a'\nhosts = 'all'",
        4,
        r"\[queues\.b\] hosts: a virtual queue has that of its parent; take it out",
    ),
    "virtual queue with properties": (
        "[queues.a]\n[queues.b]\nparent = 'a'\nrequires = []",
        4,
        r"\[queues\.b\] requires: a virtual queue has that of its parent",
    ),
    "virtual queue with a queue policy": (
        "[queues.a]\n[queues.b]\nparent = 'a'\nqueue-policy = 'easy'",
        4,
        r"\[queues\.b\] queue-policy: a virtual queue has that of its parent",
    ),
    "virtual queue with a scheduler": (
        "[queues.a]\n[queues.b]\nparent = 'a'\npolicy.scheduler.x = 1",
        4,
        r"\[queues\.b\] policy\.scheduler: a virtual queue has that of its parent",
    ),
    "limits of a virtual queue": (
        "[queues.a.policy]\nlimits.duration = '1h'\n[queues.b]\nparent = 'a'\npolicy.jobspec.defaults.system.duration = '2h'",
        5,
        r"\[queues\.b\] policy\.jobspec\.defaults\.system\.duration: the default duration, 7200 s, is over the limit",
    ),
    "unknown executor": (
        "[sched]\nexecutor = 'nera'",
        2,
        r"\[sched\] executor: no executor is named 'nera'; did you mean 'near'\? installed: far, .*near",
    ),
    "unknown priority plugin": (
        "[sched]\npriority = 'ages'",
        2,
        r"\[sched\] priority: no priority plugin is named 'ages'; did you mean 'age'\? installed: age, .*urgency",
    ),
    "table of an unknown executor": ("[executor.slurm]", 1, r"\[executor\.slurm\]: no executor is named 'slurm'"),
    "table of an unknown priority plugin": ("[priority.x]", 1, r"\[priority\.x\]: no priority plugin is named 'x'"),
    "unknown key of an executor": (
        "[executor.near]\nkil-timeout = 3",
        2,
        r"\[executor\.near\] kil-timeout: unknown key; did you mean 'kill-timeout'\?",
    ),
    "unknown key of an instance": (
        "[instance]\nmax-bodies = 3",
        2,
        r"\[instance\] max-bodies: unknown key; did you mean 'max-body'\?",
    ),
    "durability": (
        "[instance]\ndurability = 'none'",
        2,
        r'\[instance\] durability: "none" is not accepted; use one of "power", "process"',
    ),
    "no rate": ("[instance]\nmax-rate = 0", 2, r"\[instance\] max-rate: 0\.0 is out of range; use 0\.001 or more"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_has_its_place(load, tmp_path, fault):
    text, line, problem = FAULTS[fault]
    with pytest.raises(ConfigError) as caught:
        load(text)
    shown = str(caught.value)
    assert shown.startswith(f"{tmp_path / 'sched.toml'}:{line}: "), shown
    assert re.search(problem, shown), shown
    assert "\n" not in shown
